"""The server under load, beside the engine alone, and killed at random moments."""
