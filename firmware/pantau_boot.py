"""The launcher: counts failed starts, chooses the slot, hands over, restarts the chip. It works when the application does not.

Shared by both slots and never updated with them. What it counts is in RTC memory, which outlives resets, watchdog and deep
sleep but not the power: mains that flicker never look like a boot loop. Reasons: docs/decisions/0010-always-comes-back.md.
"""

import binascii
import os
import struct
import sys
import time

from micropython import const

# A round of failed starts: three as configured, two without sensors, one with the configuration of last resort as well; then
# the next round is the other slot's, where there is one.
_SAFE = const(3)
_LAST = const(5)
_ROUND = const(6)
_MOST_FAILURES = const(240)  # whole rounds for both slots
_STARTS = const(2)  # sections of the keep; 1 is the timekeeper's, 4 the sleeper's, 5 the log's
_DEFECT = const(3)
_MAGIC = b"PK1"
_MOST = const(2048)  # bytes of RTC memory (ESP32 port)
_POWER_ON = const(1)
_DEEPSLEEP = const(4)  # machine.reset_cause(); a brown-out is reported as power-on
_UNPROVED = const(0)
_FINE = const(1)
_RESTART_S = const(5)  # a crash at each start must not wear out the flash with boot marks
_DETAIL = const(120)  # characters of a defect


class Keep:
    """Sections of bytes that outlive a reset, by number. They stay in RTC memory and are read there: heap is scarcer.

    memory: machine.RTC().memory or what acts like it.
    """

    def __init__(self, memory):
        self._memory = memory

    def _parts(self):
        """Return all sections; none after a power-on, or a brown-out that turned bits."""
        data = bytes(self._memory())
        parts = {}
        if data[:3] == _MAGIC and data[3:7] == _crc(memoryview(data)[7:]):
            at = 7
            while at + 3 <= len(data):
                key, size = struct.unpack_from("<BH", data, at)
                parts[key] = data[at + 3 : at + 3 + size]
                at += 3 + size
        return parts

    def get(self, key):
        """Return the bytes of a section, or None."""
        return self._parts().get(key)

    def put(self, key, data):
        """Replace a section; b"" removes it. One that does not fit into RTC memory is left out: it is a convenience."""
        parts = self._parts()
        parts.pop(key, None)
        if data:
            parts[key] = data
        out = b"".join([struct.pack("<BH", one, len(parts[one])) + parts[one] for one in parts])
        if len(out) + 7 <= _MOST:
            self._memory(_MAGIC + _crc(out) + out)


def _crc(data):
    return struct.pack("<I", binascii.crc32(data))


class Starts:
    """How the starts went. failures: failed ones in a row; safe: run without sensors; last: and without the configuration.

    crashed: the boot before this one ended by itself; woke: this start is a wake from deep sleep. choose() sets root, name (of
    the slot that runs, "" for an application outside of slots) and usual: whether the file `slot` names it already.

    A start counts as failed unless proved() or planned() was called in it, or the power was cut.
    """

    def __init__(self, keep, cause):
        self.keep = keep
        data = keep.get(_STARTS)
        self.failures, state = data if data is not None and len(data) == 2 else (0, _FINE)
        self.crashed = state == _UNPROVED and cause not in (_POWER_ON, _DEEPSLEEP)
        if self.crashed:
            self.failures = (self.failures + 1) % _MOST_FAILURES
        self.safe = self.failures % _ROUND >= _SAFE
        self.last = self.failures % _ROUND >= _LAST
        self.woke = cause == _DEEPSLEEP
        self.root = self.name = ""
        self.usual = True
        self._put(_UNPROVED)

    def _put(self, state):
        self.keep.put(_STARTS, bytes((self.failures, state)))

    def proved(self):
        """This start did what a node is for; its slot is the usual one from now on."""
        self.failures = 0
        self._put(_FINE)
        if not self.usual:
            try:
                with open(self.root + "slot", "w") as file:
                    file.write(self.name or "/")
                self.usual = True
            except OSError:
                pass  # the flash refuses: the next round of failures finds it again

    def fresh(self):
        """What failed so far is not held against the application that is to run: it was another."""
        self.failures = 0
        self.safe = self.last = False
        self._put(_UNPROVED)

    def once_more(self):
        """The safe profile has served its time: the next start is with sensors, and one more failure leads back here."""
        self.failures += _SAFE - 1 - self.failures % _ROUND
        self._put(_FINE)

    def planned(self):
        """The coming restart, or sleep, is no failure, and no success either."""
        self._put(_FINE)

    def defect(self, error, what=""):
        """Remember an exception, or a text, over the restart."""
        text = what + digest(error)
        self.keep.put(_DEFECT, bytes([ord(char) if " " <= char <= "~" else 63 for char in text[:_DETAIL]]))

    def last_defect(self):
        """Return what defect() remembered, or ""."""
        return (self.keep.get(_DEFECT) or b"").decode()


def digest(error):
    """Return type, words and innermost place of an exception; a text is its own digest."""
    if isinstance(error, str):
        return error
    import io

    out = io.StringIO()
    sys.print_exception(error, out)  # pyright: ignore[reportArgumentType]  a stub too narrow
    place = ""
    for line in getattr(out, "getvalue")().split("\n"):  # noqa: B009  the stubs do not know it
        if line.startswith("  File"):
            place = line.replace('  File "', "").replace('", line ', ":").replace(", in ", " ")
    return "%s: %s at %s" % (type(error).__name__, error, place)


def _word(path):
    """Return the first two characters of a file, "" where there is none."""
    try:
        with open(path, "rb") as file:
            return "".join([chr(byte) for byte in file.read(2)])
    except OSError:
        return ""


def _ready(folder):
    try:
        return "ready" in os.listdir(folder)
    except OSError:
        return False


def choose(root, starts):
    """Return the folder of the application below root, which may be "": the one place that MicroPython imports from anyway.

    A slot is a folder, a or b, with a file `ready`, which is written last. The file `slot` names the usual one, "/" stands for
    an application outside of slots; in every other round of failures another one is taken. The file `try` names one on
    trial and what it has left: a start costs 1, after a crash 3, for a bad grid must not spoil an update at its first cut.
    """
    names = os.listdir(root)
    there = [name for name in ("a", "b") if _ready(root + name)]
    word = _word(root + "slot")[:1]
    if word == "/" or "pantau_node" in names or not there:
        there.append("")
    named = "" if word == "/" else word or there[0]
    name = named if named in there else there[0]
    if "try" in names and _tried(root, starts, name):
        name = _word(root + "try")[0]
    elif starts.failures // _ROUND % 2 and len(there) > 1:
        name = there[(there.index(name) + 1) % len(there)]
    starts.root, starts.name, starts.usual = root, name, name == named
    return name and root + name


def _tried(root, starts, usual):
    """Return the slot on trial if it has a start left, and count it; else end the trial, whose failures were not the usual one's."""
    word = _word(root + "try")
    name, left = word[:1], ord(word[1:] or "0") - 48
    left -= 0 if starts.woke else 3 if starts.crashed else 1
    try:
        if name and name != usual and left >= 0 and _ready(root + name):
            with open(root + "try", "w") as file:
                file.write(name + chr(48 + left))
            return name
        os.remove(root + "try")
    except OSError:
        return None  # a trial that cannot be counted would never end
    starts.fresh()
    return None


def begin(root, starts):
    """Return what choose() does, and forget how: a start chooses once, and the heap has better use for it."""
    folder = choose(root, starts)
    for name in ("choose", "_tried", "_ready", "_word", "begin"):
        globals().pop(name, None)
    return folder


def run(machine, root="/"):
    """Run the application for ever; whatever escapes is printed, kept, and restarts the chip. Ctrl-C leads to the REPL."""
    starts = Starts(Keep(machine.RTC().memory), machine.reset_cause())
    try:
        try:
            folder = begin(root, starts)
            if folder:
                sys.path.insert(0, folder)
            from pantau_node.app import run as application

            application(starts, root)
        except Exception as error:  # noqa: BLE001  an idle REPL on a pole measures nothing
            tell(starts, error)
            time.sleep(_RESTART_S)
    except KeyboardInterrupt:
        starts.planned()
        raise
    except BaseException as error:  # noqa: BLE001  SystemExit restarts, too
        tell(starts, error)
    machine.reset()


def tell(starts, error, what=""):
    """Print a defect and keep it for the health frame; where there is no memory even for that, leave it."""
    try:
        sys.print_exception(error, sys.stderr)  # pyright: ignore[reportArgumentType]  a stub too narrow
        starts.defect(error, what)
    except MemoryError:
        pass
