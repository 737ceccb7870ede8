"""Several bridges as one: who holds which partition, and the log that they share."""
