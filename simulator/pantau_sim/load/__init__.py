"""Load: a fleet that speaks the real wire format with real keys from one process."""
