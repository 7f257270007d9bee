"""The tests of the agent, and what they share."""
