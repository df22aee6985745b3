"""The same pictures through several engines: how long each takes, what it costs, and how good its light is."""
