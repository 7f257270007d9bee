"""Worlds in one line each: only the fact that matters is named."""
