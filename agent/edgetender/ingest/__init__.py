"""The ingest room: what modules send, on its way into the outbox."""
