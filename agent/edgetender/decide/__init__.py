"""The decisions: pure functions, from what is known to what shall be done."""
