"""Runs in a VM: `vm_import.py VM MODULE...` imports each module once; exits 1 if any cannot be imported."""

import sys


class Absent:
    """Stands for a module of the chip that this VM has not got: any name can be imported from it, none is used at import."""

    def __init__(self, name):
        self.__name__ = name

    def __getattr__(self, name):
        if name == "__path__":
            raise AttributeError(name)
        return Absent(name)


# The chip's hardware everywhere; the 32-bit VM has no sockets either. Anything else that is missing is a finding.
for name in {
    "unix": ("machine", "network", "esp32"),
    "wasm32": ("machine", "network", "esp32", "socket", "ssl", "tls", "vfs"),
}[sys.argv[1]]:
    try:
        __import__(name)
    except ImportError:
        sys.modules[name] = Absent(name)

failed = 0
for name in sys.argv[2:]:
    try:
        __import__(name)
    except Exception as error:
        failed += 1
        print(name + ":")
        sys.print_exception(error)
print(len(sys.argv) - 2 - failed, "imported,", failed, "failed")
sys.exit(1 if failed else 0)
