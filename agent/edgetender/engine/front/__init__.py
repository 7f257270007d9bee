"""The traffic switch: holds a module's host port and decides which container receives new requests."""
