"""Pantau's simulator: the real firmware in the real MicroPython VM, between emulated sensors and a model of the world."""
