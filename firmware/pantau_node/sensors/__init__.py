"""One file per sensor, named in catalog.py; loaded when it is used, so that the others cost no RAM."""
