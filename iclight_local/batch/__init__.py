"""Many pictures: rows of a manifest or files of a folder, relit one after another, resumable after any stop."""
