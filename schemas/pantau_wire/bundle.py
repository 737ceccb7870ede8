"""Bundles: an application or a full image for nodes, signed. docs/decisions/0021-updates.md has the reasons.

    "PNTB" 01 | u32 size | manifest | u16 size | u8 key | signature | payload        (big-endian)

The signature is RSA-3072 PKCS#1 v1.5 with SHA-256 over the manifest, by one of the two keys that the node trusts; `key` says
by which, 0 or 1. The payload: for each file u8 size, path, u32 size, bytes. The manifest is a JSON object in one form only:
keys sorted, no spaces, printable ASCII, whole numbers, texts, true and false, lists of these.
"""

import binascii
import hashlib
import json

from . import updates
from .errors import WireError

MAGIC = b"PNTB\x01"
MAX_MANIFEST = 1500
KEY_BYTES = 384  # of an RSA-3072 modulus, and of a signature
MAX_HEAD, MAX_CHUNK = updates.MAX_HEAD, updates.MAX_CHUNK
MAX_FILES = 255
MAX_PATH = 64
APP, IMAGE = updates.APP, updates.IMAGE
RECEIVING, VERIFIED, TRIAL = updates.RECEIVING, updates.VERIFIED, updates.TRIAL
ACCEPTED, ROLLED_BACK, REFUSED, WORDS = updates.ACCEPTED, updates.ROLLED_BACK, updates.REFUSED, updates.WORDS
_MOST = 1 << 30
_HEX = "0123456789abcdef"


class Head:
    """What stands before the payload. fields: of the manifest; start: where the payload begins; total: bytes of the bundle.

    ident: the bundle's name, the first four bytes of the manifest's SHA-256; key: which trusted key signed; signature: b"" if none did.
    """

    def __init__(self, manifest, fields, key, signature):
        self.manifest = manifest
        self.fields = fields
        self.key = key
        self.signature = signature
        self.ident = int.from_bytes(hashlib.sha256(manifest).digest()[:4], "big")
        self.start = len(MAGIC) + 4 + len(manifest) + 3 + len(signature)
        self.total = self.start + fields["size"]


def head(data):
    """Return the Head that data begins with; raises WireError: "truncated" where more bytes may make one."""
    magic = data[: len(MAGIC)]
    if magic != MAGIC[: len(magic)]:
        raise WireError("bad_field", "no bundle")
    at = len(MAGIC) + 4
    size = int.from_bytes(data[at - 4 : at], "big")
    if len(data) >= at and size > MAX_MANIFEST:
        raise WireError("too_long", "manifest of %d bytes" % size)
    end = at + size + 3
    if len(data) < at or len(data) < end:
        raise WireError("truncated", "bundle")
    manifest = bytes(data[at : at + size])
    fields = _fields(manifest)
    size = int.from_bytes(data[end - 3 : end - 1], "big")
    if size not in (0, KEY_BYTES) or data[end - 1] > 1:
        raise WireError("bad_field", "signature")
    if len(data) < end + size:
        raise WireError("truncated", "bundle")
    return Head(manifest, fields, data[end - 1], bytes(data[end : end + size]))


def text(value):
    """Return the one JSON form of a manifest's value; raises WireError("bad_value") for what has none."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        for char in value:
            if not " " <= char <= "~" or char in '"\\':
                raise WireError("bad_value", "manifest: printable ASCII only")
        return '"' + value + '"'
    if isinstance(value, list):
        return "[" + ",".join([text(one) for one in value]) + "]"
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):  # MicroPython reads {1:2}
        return "{" + ",".join([text(name) + ":" + text(value[name]) for name in sorted(value)]) + "}"
    raise WireError("bad_value", "manifest: %s" % type(value).__name__)


def check(fields):
    """Raise WireError("bad_value") naming a field of the manifest that is missing or not what it should be."""
    for name in ("release", "mpy", "files", "size", "min_release"):
        value = fields.get(name)
        if type(value) is not int or not (name != "min_release") <= value <= _MOST:
            raise WireError("bad_value", "manifest: " + name)
    version, boards, digest = fields.get("version"), fields.get("board"), fields.get("sha256")
    good = {
        "version": isinstance(version, str) and 0 < len(version) <= 32,
        "kind": fields.get("kind") in (APP, IMAGE),
        "board": isinstance(boards, list) and all(isinstance(one, str) for one in boards),
        "sha256": isinstance(digest, str) and len(digest) == 64 and not digest.strip(_HEX),
        "files": fields["files"] <= MAX_FILES,
        "rollback": fields.get("rollback", True) is True,
        "room": type(fields.get("room", 0)) is int and 0 <= fields.get("room", 0) <= _MOST,
        "trust": "trust" not in fields or bool(moduli(fields["trust"])),
    }
    for name in sorted(good):
        if not good[name]:
            raise WireError("bad_value", "manifest: " + name)


def moduli(trust):
    """Return the two moduli (bytes) of a manifest's trust, which is their base64, or None if it is not that."""
    if not isinstance(trust, list) or len(trust) != 2:
        return None
    found = []
    for one in trust:
        try:
            modulus = binascii.a2b_base64(one.encode()) if isinstance(one, str) else b""
        except ValueError:
            modulus = b""
        if len(modulus) != KEY_BYTES or not modulus[0] & 0x80 or not modulus[-1] & 1:
            return None
        if binascii.b2a_base64(modulus).decode().strip() != one:
            return None
        found.append(modulus)
    return found


def _fields(manifest):
    for byte in manifest:
        if not 32 <= byte < 127:
            raise WireError("bad_field", "manifest: printable ASCII only")
    try:
        fields = json.loads(manifest.decode())
        whole = isinstance(fields, dict) and text(fields).encode() == manifest
    except (ValueError, RuntimeError, WireError):  # RuntimeError: nested too deeply
        whole = False
    if not whole:
        raise WireError("bad_field", "manifest: not in its one form")
    check(fields)
    return fields


def entry(data, at=0):
    """Return (path, place of its bytes, size) of the file whose entry begins at `at`; raises WireError.

    A path is one or more names of a-z, A-Z, 0-9, "_", "-" and ".", none beginning with ".", joined by "/".
    """
    if at >= len(data) or at + 1 + data[at] + 4 > len(data):
        raise WireError("truncated", "entry")
    end = at + 1 + data[at]
    path = "".join([chr(byte) for byte in data[at + 1 : end]])
    if not valid_path(path):
        raise WireError("bad_value", "path")
    return path, end + 4, int.from_bytes(data[end : end + 4], "big")


def valid_path(path):
    """Tell whether a bundle may have a file of this path: it leads nowhere but below the slot."""
    if len(path) > MAX_PATH:
        return False
    for name in path.split("/"):
        if not name or name[0] == ".":
            return False
        for char in name:
            if not ("a" <= char <= "z" or "A" <= char <= "Z" or "0" <= char <= "9" or char in "_-."):
                return False
    return True
