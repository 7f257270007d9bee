"""edgetender: the agent that tends machine-learning models on edge devices."""

__version__ = "0.1.0"
