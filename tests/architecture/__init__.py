"""Rules that no reader should have to check."""
