"""Chaos: a fleet, a real broker and a real bridge; everything fails, in a seeded order; then all is held to account."""
