# Makes the VM a board: the modules as an ESP32 has them, without the ways out to the host, then its life from reset to REPL.
# What a board does not have (os.system, VfsPosix, getenv) would lead to the host's files; so even the u-names are replaced.
import builtins
import sys

import _simbus
import micropython
from micropython import const

CONSOLE = const(20)  # bus: interrupt character, whether the REPL is the raw one
ECHO = const(21)  # bus: answers with what it was given
_HOST = ("VfsPosix", "system", "getenv", "putenv", "unsetenv", "errno")
_XTENSAWIN = const(10)
_SOFT = const(5)


class _Module:
    """Stands in sys.modules for a built-in module that cannot be changed."""

    def __init__(self, module, without=(), **more):
        for name in dir(module):
            if name not in without and name not in ("__class__", "__dict__"):
                setattr(self, name, getattr(module, name))
        for name, value in more.items():
            setattr(self, name, value)


def _call(op, body=b""):
    """As _simbus.call; a KeyboardInterrupt in the middle must not leave a reply that the next request takes for its own."""
    try:
        return _bus_call(op, body)
    except KeyboardInterrupt:
        _in_step()
        raise


def _in_step():
    """Ask for an echo of something new, and pass over everything before it."""
    import os

    while True:
        try:
            mark = os.urandom(12)
            head = bytes((12, 0, ECHO)) + bytes(8)
            _simbus._link.write(head + mark)
            seen = b""
            while seen != mark:
                seen = (seen + _simbus._link.read(1))[-12:]
            return
        except KeyboardInterrupt:
            pass


def keyboard(char, raw=False):
    """Tell the host which byte interrupts from now on (-1: none), and which REPL a soft reset leads back to."""
    _simbus.call(CONSOLE, bytes((char & 255, raw)))


def cooked(text):
    """Write text as the port does: a line feed is never alone."""
    _out(text.replace("\r\n", "\n").replace("\n", "\r\n").encode())


_bus_call = _simbus.call
_out = sys.stdout.buffer.write
_print = builtins.print
_print_exception = sys.print_exception


_OURS = (
    'File "_repl"',
    'File "_board"',
    'File "_disk"',
    "_launch.py",
)  # a board has these in C: no traceback names them


def _told(error):
    lines = _text(_print_exception, error).split("\n")
    return "\n".join([line for line in lines if not any(one in line for one in _OURS)])


def _text(function, *args):
    import io

    out = io.StringIO()
    function(*args, out)
    return out.getvalue()


def print_exception(error, file=None):
    if file in (None, _sys.stdout, _sys.stderr):
        cooked(_told(error))
    else:
        _print_exception(error, file)


def _board_print(*args, sep=" ", end="\n", file=None):
    if file in (None, _sys.stdout, _sys.stderr):
        cooked(_text(lambda out: _print(*args, sep=sep, end=end, file=out)))
    else:
        _print(*args, sep=sep, end=end, file=file)


def _repl_print(value):
    if value is not None:
        cooked(repr(value) + "\n")
        builtins._ = value


def _uname(machine, version):
    from collections import namedtuple

    kind = namedtuple("uname_result", ("sysname", "nodename", "release", "version", "machine"))  # noqa: PYI024
    number = "%d.%d.%d" % tuple(version[:3])
    return lambda: kind("esp32", "esp32", number, "v%s, virtual" % number, machine)


def _partitions(rows):
    """Let esp32.Partition.find tell of what a stock image has, too; only the raw ones that the host wires can be read."""
    import esp32

    class Row:
        def __init__(self, row):
            self._row = tuple(row) + (False,)

        def info(self):
            return self._row

    class Partition(esp32.Partition):
        @classmethod
        def find(cls, type=0, subtype=255, label=None, block_size=4096):
            found = [Row(r) for r in rows if type == r[0] and label in (None, r[4]) and subtype in (255, r[1])]
            return found + esp32_find(type, subtype, label, block_size)

    esp32_find = esp32.Partition.find
    esp32.Partition = Partition


def prepare(board, jail):
    """Replace what differs. board: the host's dict, see node.py beside the shims' folder; jail: _launch._Jail."""
    global _sys
    _simbus.call = _call
    import os

    import vfs
    from _disk import Disk

    root = jail(_simbus.boot["root"], False, vfs.VfsPosix)
    vfs.umount("/")
    vfs.mount(Disk(root, board["disk_bytes"]), "/")
    # The interrupt character is the host's business: it sees each byte first, and sends a signal for this one.
    sys.modules["micropython"] = _Module(micropython, kbd_intr=keyboard)
    without = _Module(os, _HOST, uname=_uname(board["machine"], board["version"]))
    sys.modules["os"] = sys.modules["uos"] = without
    sys.modules["vfs"] = sys.modules["uvfs"] = _Module(vfs, _HOST)
    from collections import namedtuple

    kind = namedtuple("implementation", ("name", "version", "_machine", "_mpy"))  # noqa: PYI024
    # The format is the VM's own, the architecture what the chip's native code would have: tools compile for that.
    mpy = sys.implementation._mpy & 0x3FF | _XTENSAWIN << 10
    told = kind("micropython", tuple(board["version"]) + ("",), board["machine"], mpy)
    _sys = _Module(sys, implementation=told, platform="esp32", print_exception=print_exception)
    _sys.version = "3.4.0; MicroPython v%d.%d.%d, virtual" % tuple(board["version"][:3])
    sys.modules["sys"] = sys.modules["usys"] = _sys
    builtins.print = _board_print
    builtins.__repl_print__ = _repl_print
    _partitions(board["partitions"])
    _built_in(vfs, os)


def _built_in(vfs, os):
    """Import all that the shims have, and let their folders go: a board's own modules lie in no file system."""
    for name, _folder in _simbus.boot["mounts"]:
        place = "/.sim/" + name
        for file in os.listdir(place):
            __import__(file.split(".")[0]) if file[0] != "_" else None
        vfs.umount(place)
    sys.path[:] = ["", ".frozen", "/lib"]


_sys = sys


def soft_reset(raw):
    """End this interpreter; the host starts the next one with the same RTC and sensors."""
    keyboard(-1, raw)
    _simbus.call(_simbus.RESET, bytes((_SOFT, 0, 0, 0, 0, 0, 0, 0, 0)))
    _simbus.stop_here()


def main(jail):
    """Live from here to the next reset."""
    import _repl

    board = _simbus.boot["board"]
    prepare(board, jail)
    repl = _repl.Repl(board["machine"], board["version"], board["raw"])
    if repl.file("boot.py") and not board["raw"]:
        repl.file("main.py")
    repl.run()
