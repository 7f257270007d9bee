"""What survives a power cut: the ledger and the outbox, on SQLite."""
