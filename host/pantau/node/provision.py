"""Makes a board a node: who it is, whom it trusts, where it sends. In an order in which the cable may be pulled at any byte.

identity.json goes last, under another name until it is whole: before that the board is who it was, after it the new one, and a second
run writes what differs and nothing else. The node takes identity.json and config.json into stores of its own at its next start.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import struct
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.node.board import NEW
from pantau.node.trouble import RefusedError
from pantau_wire.topics import valid_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pantau.fleet.keystore import Secrets
    from pantau.node.board import Board

MOST = 4080  # bytes of an identity or a configuration: pantau_node/slots.py
_ID_LENGTH = 23
_DIGITS = 6  # of a number that is ours; a longer one is no number of a node
_MAGIC = b"PNT1"  # pantau_node/slots.py
_HEAD = struct.Struct(">III")
IDENTITY, CONFIG, SETUP, CA = "/identity.json", "/config.json", "/setup", "/ca.der"
_TRUST = ("/trust.a", "/trust.b")
# Who a board is: its id and a hash, never a key. A file that waits to be taken over comes before the copies.
_WHO = """
import binascii,struct,hashlib,json
def s(d):
 if len(d)<16 or d[:4]!=b"PNT1":return (-1,b"")
 g,n,c=struct.unpack(">III",d[4:16]);p=bytes(d[16:16+n])
 return (g,p) if len(p)==n and binascii.crc32(p,binascii.crc32(d[:12]))==c else (-1,b"")
def r(p):
 try:
  with open(p,"rb") as f:return f.read()
 except OSError:return b""
w=[(1<<40,r("/identity.json")),s(r("/identity.a")),s(r("/identity.b"))]
try:
 from esp32 import Partition as P
 for q in P.find(P.TYPE_DATA,label="pantau_id"):
  for i in (0,1):
   d=bytearray(4096);q.readblocks(i,d);w.append(s(d))
except ImportError:pass
for g,p in sorted(w,reverse=True):
 try:n=json.loads(p)["node"]
 except (ValueError,KeyError,TypeError):continue
 print(json.dumps([n,binascii.hexlify(hashlib.sha256(p).digest()).decode()]))
 break
else:print("[]")
"""
# What another node recorded is signed with its key: under a new name nobody would ever acknowledge it.
_FORGET = """
import os
for n in os.listdir("/"):
 if n.startswith("outbox."):os.remove("/"+n)
try:
 from esp32 import Partition as P
 for q in P.find(P.TYPE_DATA,label="pantau_ring"):
  for i in range(q.ioctl(4,0)):q.ioctl(6,i)
except ImportError:pass
"""


class Who(NamedTuple):
    """Which node a board is ("" for none), and the SHA-256 of its identity."""

    node: str = ""
    sha256: str = ""


class Provisioned(NamedTuple):
    """Which files were written and which were there already."""

    written: list[str]
    kept: list[str]


def who(board: Board) -> Who:
    """Return which node a board is."""
    return Who(*json.loads(board.run(_WHO)))


def propose(station: str, board: str, given: Mapping[str, str], placed: Collection[str], taken: Collection[str]) -> str:
    """Return an id for the node of `board` (its unique id) at a station.

    given: {board: node} of earlier runs at this station; placed: nodes that the registry has there and no board is yet;
    taken: ids that are nobody's to give.
    """
    if board and board in given:
        return given[board]
    for node in sorted(placed):
        if node not in given.values():
            return node
    number = 1
    while (node := _numbered(station, number)) in taken:
        number += 1
    return node


def numbered(node: str, station: str) -> bool:
    """Return whether an id is one that is proposed for a station."""
    _, _, number = node.rpartition("-")
    return number.isdecimal() and len(number) < _DIGITS and node == _numbered(station, int(number))


def _numbered(station: str, number: int) -> str:
    plain = "".join(c if c.isascii() and (c.isalnum() or c == "-") else "-" for c in station.lower())
    tail = f"-{number}"
    return plain[: _ID_LENGTH - len(tail)].strip("-") + tail


def checked(node: str, board: str, others: Mapping[str, str], revoked: Collection[str]) -> str:
    """Return `node`; RefusedError where no topic can carry it, it is revoked, or another board is that node. others: {board: node}."""
    if not valid_id(node):
        raise RefusedError("provision.id", node=node)
    if node in revoked:
        raise RefusedError("provision.revoked", node=node)
    if other := next((one for one, has in others.items() if has == node and one != board), None):
        raise RefusedError("provision.given", node=node, board=other)
    return node


def identity(secrets: Secrets) -> bytes:
    """Return identity.json: the same bytes for the same secrets."""
    found: dict[str, Any] = {
        "node": secrets.node,
        "keys": {str(key_id): key.hex() for key_id, key in sorted(secrets.keys.items())},
        "key_id": secrets.key_id,
        "mqtt_user": secrets.node,
        "mqtt_password": secrets.mqtt_password,
        "made_s": int(datetime.fromisoformat(secrets.made).timestamp()),
    }
    if secrets.cert_der:
        found |= {"tls_cert": secrets.cert_der.hex(), "tls_key": secrets.key_der.hex()}
    return _bounded("identity.json", found)


def settings(config: Mapping[str, Any]) -> bytes:
    """Return config.json."""
    return _bounded("config.json", config)


def _bounded(name: str, found: Mapping[str, Any]) -> bytes:
    data = json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
    if len(data) > MOST:
        raise RefusedError("provision.long", file=name, size=len(data), most=MOST)
    return data


def slot(generation: int, payload: bytes) -> bytes:
    """Return one copy as pantau_node/slots.py keeps it."""
    head = _MAGIC + generation.to_bytes(4, "big") + len(payload).to_bytes(4, "big")
    return head + binascii.crc32(payload, binascii.crc32(head)).to_bytes(4, "big") + payload


def _slot(data: bytes) -> tuple[int, bytes]:
    if len(data) < 16 or data[:4] != _MAGIC:
        return 0, b""
    generation, size, crc = _HEAD.unpack_from(data, 4)
    payload = data[16:]
    sound = len(payload) == size and binascii.crc32(payload, binascii.crc32(data[:12])) == crc
    return (generation, payload) if sound else (0, b"")


def trust(moduli: list[str], there: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    """Return the copies to write so that these two release keys (hex) are trusted. there: the copies that a board has, by path."""
    found = {path: _slot(there.get(path, b"")) for path in _TRUST}
    generation, payload = max(found.values())
    if not payload or json.loads(payload).get("keys") != moduli:
        generation, payload = generation + 1, json.dumps({"keys": moduli}).encode()
    # The older copy first: a cut leaves the other, and a board is never without.
    older_first = sorted(_TRUST, key=lambda path: found[path][0])
    return [(path, slot(generation, payload)) for path in older_first if found[path] != (generation, payload)]


def provision(
    board: Board,
    secrets: Secrets,
    config: Mapping[str, Any],
    ca_der: bytes,
    moduli: list[str],
    moved: Callable[[int, int], object] | None = None,
    *,
    over: bool = False,
) -> Provisioned:
    """Make a board this node. moved: told of the bytes that arrived and of all. over: though it is another node.

    RefusedError, before anything is written, for a board that is another node; UnreachedError when the cable goes, and calling it again
    finishes the job.
    """
    was = who(board)
    if was.node not in {"", secrets.node} and not over:
        raise RefusedError("provision.another", node=was.node)
    todo = _plan(board, secrets, config, ca_der, moduli, was)
    total = sum(len(data) for _, data in todo)
    for path, data in todo:
        if path == IDENTITY and was.node not in {"", secrets.node}:
            board.run(_FORGET)
        board.write(path, data, None if moved is None else lambda size: moved(size, total))
    found = board.hashes([path for path, _ in todo])
    for path, data in todo:
        if found[path] != hashlib.sha256(data).hexdigest():
            raise RefusedError("board.unequal", path=path)
    written = [path for path, _ in todo]
    return Provisioned(written, [path for path in (*_TRUST, CA, CONFIG, IDENTITY) if path not in written])


def _plan(
    board: Board, secrets: Secrets, config: Mapping[str, Any], ca_der: bytes, moduli: list[str], was: Who
) -> list[tuple[str, bytes]]:
    """Return what is to be written, in its order; what an interrupted run left half is removed."""
    sizes = board.sizes()
    for path in (IDENTITY, CONFIG, SETUP, CA, *_TRUST):
        if path + NEW in sizes:
            board.remove(path + NEW)
    who_it_is, what = identity(secrets), settings(config)
    todo = trust(moduli, {path: board.read(path) for path in _TRUST if path in sizes})
    hashes = board.hashes([path for path in (CA, CONFIG) if path in sizes])
    same = was.sha256 == hashlib.sha256(who_it_is).hexdigest()
    if hashes.get(CA) != hashlib.sha256(ca_der).hexdigest():
        todo.append((CA, ca_der))
    if not same and SETUP not in sizes:
        todo.append((SETUP, b"{}"))
    if hashes.get(CONFIG) != hashlib.sha256(what).hexdigest() and _in_force(board, sizes) != what:
        todo.append((CONFIG, what))
    return todo if same else [*todo, (IDENTITY, who_it_is)]


def _in_force(board: Board, sizes: Mapping[str, int]) -> bytes:
    """Return the configuration that the node took over into files; b"" where it lies in a partition, or nowhere."""
    copies = [_slot(board.read(path)) for path in ("/config.a", "/config.b") if path in sizes]
    return b"" if CONFIG in sizes else max(copies, default=(0, b""))[1]
