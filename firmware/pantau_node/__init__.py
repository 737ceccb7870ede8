"""The node's firmware: stock MicroPython from 1.25 on, and CPython for its tests. Integers only."""

VERSION = "0.1.0"
# No clock is believed that says it is earlier than this (2023-01-01): older than every recorded series that we replay.
EARLIEST_S = 1672531200
# When this version was made (2026-11-24): an RTC that lost its time is lifted to it, so that certificates have begun.
BUILT_S = 1795478400
