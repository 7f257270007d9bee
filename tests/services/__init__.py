"""Real parts for tests: an engine, a broker, a registry, each started on first use."""
