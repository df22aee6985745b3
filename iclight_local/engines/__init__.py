"""What relights: the same two methods, whoever does the work."""
