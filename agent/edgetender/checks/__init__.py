"""What could be wrong with this device, one file per check, each with a remedy."""
