"""The local API: what the shell and the page ask, over a socket of this machine."""
