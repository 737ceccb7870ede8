"""Sensor drivers from the technician's side: recorded bytes through the node's own code, on CPython and in the VM."""
