"""The real parts the demo and the tests start: engine, broker, registry, daemon; each ends by its own pid."""
