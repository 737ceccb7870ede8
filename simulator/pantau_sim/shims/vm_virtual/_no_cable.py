# `sys` in virtual time: nobody is at the console, whose stdin would be the bus.
import sys as _sys

_IOCTL_POLL = 3


class _Silent:
    def ioctl(self, request, _arg):
        return 0 if request == _IOCTL_POLL else -1

    def read(self, _size=-1):
        return None

    def write(self, data):
        return len(data)


class _Stream:
    buffer = _Silent()


class _Sys:
    pass


def put():
    """Let every later `import sys` find it."""
    copy = _Sys()
    for name in dir(_sys):
        if name not in ("__class__", "__dict__"):
            setattr(copy, name, getattr(_sys, name))
    copy.stdin = _Stream
    _sys.modules["sys"] = copy
