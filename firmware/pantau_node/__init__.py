"""The node's firmware: stock MicroPython from 1.25 on, and CPython for its tests. Integers only."""

VERSION = "0.1.0"
# No clock is believed that says it is earlier than this (2023-01-01): older than every build and every recorded series.
BUILT_S = 1672531200
