"""The bytes between node and bridge: the same files run on the ESP32, in the simulator and on the host.

Integers only, no I/O, no clock. FORMAT.md is the specification, vectors/ the proof.
"""
