"""The container engine behind its port: Docker's API, by typed requests."""
