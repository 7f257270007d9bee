"""Many devices from a workstation: what is sent to them."""
