"""What becomes of the agent when anything stops at any moment; see README.md."""
