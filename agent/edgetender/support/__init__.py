"""What goes into a support bundle, and what must never: used by `edgetender support-bundle` alone."""
