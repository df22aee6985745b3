"""How fast relights are, stage by stage."""
