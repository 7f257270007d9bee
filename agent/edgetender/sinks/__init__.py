"""Where samples go: each sink is one file and takes every stream."""
