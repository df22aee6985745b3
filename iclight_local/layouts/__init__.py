"""Layouts of weights: what a file holds, told from keys and shapes, and under which names. No torch, no tensor read."""
