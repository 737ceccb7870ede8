"""Hunting: random scenarios, the design's invariants on what comes of each, and failing cases shrunk to files that replay."""
