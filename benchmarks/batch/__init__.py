"""Batches: what a kill costs, what a row costs, and what overlapping gains."""
