"""The part of MicroPython's `micropython` module that the shared files use, for CPython."""


def const(value: int) -> int:
    """Return `value`: the VM's compiler folds it, CPython needs nothing."""
    return value
