"""The words: values that every floor speaks in, and nothing that does anything."""
