"""The whole agent on real parts."""
