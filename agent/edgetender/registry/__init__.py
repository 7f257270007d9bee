"""The registry room: what images there are, and how they get in and out."""
