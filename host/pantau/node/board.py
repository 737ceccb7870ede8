"""A board at the raw REPL, by mpremote's transport: facts, files, code. Stops what runs there; session.py does not.

Files go over as base64, four times as fast as mpremote's own copy at the same baud rate, and into a name of their own until
they are whole: a cable may be pulled at any byte.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pantau.node.ports import Port, holders
from pantau.node.trouble import RefusedError, TroubleError, UnreachedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mpremote.transport_serial import SerialTransport

BAUD = 115200
NEW = ".new"  # behind the name of a file that is being written
_CHUNK = 1536  # bytes of a file in one go: 2 KiB of base64, which any board has room for
_ANSWER_S = 20  # an erase of littlefs, or a SHA-256 of the longest file
_TRIES, _PROMPT_S = 4, 3
_FULL = 28  # ENOSPC

# What is asked of a board in one go; each part on its own, for a port without it.
_FACTS = """
import sys,os,json,binascii
i=sys.implementation
d={"implementation":i[0],"version":i[1][:3],"machine":getattr(i,"_machine",""),"mpy":getattr(i,"_mpy",0),"platform":sys.platform}
try:
 import machine
 d["id"]=binascii.hexlify(machine.unique_id()).decode()
except Exception:pass
try:
 import esp
 d["flash"]=esp.flash_size()
except Exception:pass
try:
 from esp32 import Partition as P
 d["partitions"]=[p.info() for t in (P.TYPE_APP,P.TYPE_DATA) for p in P.find(t)]
except Exception:pass
try:
 s=os.statvfs("/")
 d["size"],d["free"]=s[1]*s[2],s[0]*s[3]
 d["files"]=os.listdir("/")
except Exception:pass
for n in "ab":
 try:
  with open("/"+n+"/ready") as f:d["slot_"+n]=json.load(f)
 except Exception:pass
try:
 with open("/slot") as f:d["slot"]=f.read(1)
except Exception:pass
print(json.dumps(d))
"""
_SIZES = """
import os
def w(p):
 for n in os.ilistdir(p or "/"):
  q=p+"/"+n[0]
  if n[1]&0x4000:w(q)
  else:print(n[3],q)
try:w({0!r})
except OSError:pass
"""
_HASHES = """
import hashlib,binascii,gc
b=memoryview(bytearray(1024))
for p in {0!r}:
 try:
  h=hashlib.sha256()
  with open(p,"rb") as f:
   while True:
    n=f.readinto(b)
    if not n:break
    h.update(b[:n])
  print(binascii.hexlify(h.digest()).decode())
 except OSError:print("-")
"""
_REMOVE = """
import os
def r(p):
 try:d=os.stat(p)[0]&0x4000
 except OSError:return
 if d:
  for n in os.listdir(p):r(p+"/"+n)
  os.rmdir(p)
 else:os.remove(p)
r({0!r})
"""
_MAKE = """
import os
p=""
for n in {0!r}:
 p+="/"+n
 try:os.mkdir(p)
 except OSError as e:
  if e.errno!=17:raise
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a board says of itself. mpy: the number that sys.implementation calls _mpy; partitions: esp32.Partition.info() of each."""

    version: tuple[int, int, int]
    machine: str
    platform: str = ""
    mpy: int = 0
    unique_id: str = ""
    flash_bytes: int | None = None
    partitions: tuple[tuple[int, int, int, int, str], ...] = ()  # type, subtype, address, bytes, label
    size: int = 0  # of the file system, bytes
    free: int = 0
    files: tuple[str, ...] = ()  # names below "/"
    slots: tuple[tuple[str, dict[str, Any]], ...] = ()  # of those that are ready: name, {"version", "release"}
    slot: str = ""  # the usual one, as the file `slot` says

    @property
    def mpy_version(self) -> tuple[int, int]:
        """Major and sub-version of the .mpy files that it takes."""
        return self.mpy & 0xFF, self.mpy >> 8 & 3


class Board:
    """A board whose program was stopped; close() leaves it at the REPL, reset() starts it anew.

    UnreachedError where nobody answers any more, RefusedError where the board says no.
    """

    def __init__(self, port: Port, transport: SerialTransport) -> None:
        self.port = port
        self._transport = transport

    @classmethod
    def connect(cls, port: Port) -> Board:
        """Open the port, stop the program there (Ctrl-C) and soft-reset into the raw REPL."""
        from mpremote.transport import TransportError
        from mpremote.transport_serial import SerialTransport

        try:
            transport = SerialTransport(port.device, BAUD, timeout=_ANSWER_S)
        except (TransportError, OSError, ValueError):
            who = holders(port.device)
            if who:
                raise UnreachedError("board.busy", port=port.device, who=", ".join(who)) from None
            raise UnreachedError("board.closed", port=port.device) from None
        board = cls(port, transport)
        for attempt in range(_TRIES):
            try:
                with board._speaking():
                    transport.serial.timeout = _PROMPT_S
                    transport.enter_raw_repl(timeout_overall=_PROMPT_S)
                    transport.serial.timeout = _ANSWER_S
                return board
            except TroubleError:
                # A chip that has just been plugged in is still starting, and the first keys are lost.
                if attempt == _TRIES - 1:
                    board.close()
        raise UnreachedError("board.silent", port=port.device)

    @contextlib.contextmanager
    def _speaking(self) -> Iterator[None]:
        """Turn what mpremote and the port raise into trouble; what it would print stays out of a program's stdout."""
        from mpremote.transport import TransportError, TransportExecError

        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        except TransportExecError as error:
            raise _refusal(error.error_output) from None
        except (TransportError, OSError, ValueError, struct.error, TypeError) as error:
            # Beside what the port raises: what mpremote and pyserial do with an answer that is torn.
            raise UnreachedError("board.lost", port=self.port.device, what=type(error).__name__) from None

    def run(self, code: str) -> str:
        """Run code on the board and return what it prints."""
        with self._speaking():
            said = self._transport.exec_raw(code, timeout=_ANSWER_S)
            if said[1]:
                raise _refusal(said[1].decode(errors="replace"))
            return str(said[0].decode().replace("\r\n", "\n"))
        raise AssertionError

    def facts(self) -> Facts:
        """Return what the board is and what lies on it."""
        told = json.loads(self.run(_FACTS))
        return Facts(
            version=tuple(told["version"]),
            machine=told["machine"],
            platform=told["platform"],
            mpy=told["mpy"],
            unique_id=told.get("id", ""),
            flash_bytes=told.get("flash"),
            partitions=tuple((row[0], row[1], row[2], row[3], row[4]) for row in told.get("partitions", ())),
            size=told.get("size", 0),
            free=told.get("free", 0),
            files=tuple(sorted(told.get("files", ()))),
            slots=tuple((name, told[f"slot_{name}"]) for name in "ab" if f"slot_{name}" in told),
            slot=told.get("slot", ""),
        )

    def names(self, path: str = "") -> list[str]:
        """Return the full paths of all files below a folder ("" is the root)."""
        return sorted(self.sizes(path))

    def sizes(self, path: str = "") -> dict[str, int]:
        """Return the bytes of each file below a folder ("" is the root), by full path."""
        lines = self.run(_SIZES.format(path.rstrip("/"))).split("\n")[:-1]
        return {name: int(size) for size, name in (line.split(" ", 1) for line in lines)}

    def hashes(self, paths: list[str]) -> dict[str, str | None]:
        """Return the SHA-256 (hex) of each file, None of one that is not there."""
        found: dict[str, str | None] = {}
        for at in range(0, len(paths), 24):
            some = paths[at : at + 24]
            lines = self.run(_HASHES.format(some)).split()
            found.update({path: None if line == "-" else line for path, line in zip(some, lines, strict=True)})
        return found

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        self.run(f"import binascii\nf=open({path!r},'rb')")
        parts = []
        while part := base64.b64decode(self.run(f"print(binascii.b2a_base64(f.read({_CHUNK})).decode())")):
            parts.append(part)
        self.run("f.close()")
        return b"".join(parts)

    def write(self, path: str, data: bytes, moved: Callable[[int], object] | None = None) -> None:
        """Put a file there, whole or not at all; read back. moved: told of each number of bytes that arrived."""
        folders = path.strip("/").split("/")[:-1]
        if folders:
            self.run(_MAKE.format(folders))
        new = path + NEW
        try:
            self.run(f"import binascii,os\nf=open({new!r},'wb')\ndef w(t):f.write(binascii.a2b_base64(t))")
            for at in range(0, len(data), _CHUNK):
                part = data[at : at + _CHUNK]
                self.run(f"w({base64.b64encode(part)!r})")
                if moved:
                    moved(len(part))
            self.run("f.close()")
        except RefusedError:
            with contextlib.suppress(TroubleError):
                self.run(f"f.close()\nos.remove({new!r})")
            raise
        if self.hashes([new])[new] != hashlib.sha256(data).hexdigest():
            self.remove(new)
            raise RefusedError("board.unequal", path=path)
        self.run(f"os.rename({new!r},{path!r})")

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; what is not there is no error."""
        self.run(_REMOVE.format(path))

    def reset(self) -> None:
        """Reset the chip, which runs what is installed; the board is closed then."""
        with contextlib.suppress(TroubleError), self._speaking():
            self._transport.exec_raw_no_follow("import machine\nmachine.reset()")
            self._transport.serial.flush()
        self.close()

    def close(self) -> None:
        """Let go of the port."""
        with contextlib.suppress(Exception):
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _refusal(text: str) -> RefusedError:
    """Return the trouble that a traceback of the board tells of."""
    last = text.strip().splitlines()[-1] if text.strip() else "?"
    if "ENOSPC" in last or f"OSError: {_FULL}" in last or f"[Errno {_FULL}]" in last:
        return RefusedError("board.full")
    return RefusedError("board.refused", said=last)
