"""How fast the pipeline is, and what it costs to make it faster."""
