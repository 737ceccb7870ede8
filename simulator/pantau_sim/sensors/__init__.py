"""Byte-level twins of sensors, written from the datasheets. They run on the host and inside the VM, and know no driver."""
