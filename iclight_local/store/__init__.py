"""Weights on this machine: which bundles there are, what they hold, and their hashes."""
