"""Bundles as the operator makes and reads them: pantau_wire.bundle has the layout, the node checks what is made here."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from pantau_wire import bundle as wire
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BOARDS = (
    "rv32imc/esp32c3",
    "x64/linux",
    "xtensawin/esp32",
    "xtensawin/esp32s3",
)  # what bytecode runs on: chips, and the simulator
MPY = 6  # format of .mpy files since MicroPython 1.19
_EXPONENT = 65537
_BLOCK = 4096  # of littlefs on an ESP32
_HOST_ONLY = ("names", "records", "mqtt_more")  # modules of pantau_wire that no node loads


class BundleError(Exception):
    """A bundle cannot be made, or is not sound; the text says why and what to do."""


class Bundle(NamedTuple):
    """A bundle, read. ident: its name; fields: of its manifest; key: which trusted key signed it, None if it is unsigned."""

    ident: int
    fields: dict[str, Any]
    key: int | None
    manifest: bytes
    signature: bytes
    files: dict[str, bytes]
    data: bytes

    @property
    def release(self) -> int:
        """The number of the release, which only grows."""
        return int(self.fields["release"])

    @property
    def moduli(self) -> list[bytes]:
        """The two keys that are trusted once this is accepted; [] where they stay."""
        return wire.moduli(self.fields["trust"]) if "trust" in self.fields else []

    @property
    def version(self) -> str:
        """The version for people."""
        return str(self.fields["version"])


def build(
    folder: Path,
    *,
    version: str,
    release: int,
    board: Sequence[str] = BOARDS,
    mpy: int = MPY,
    min_release: int = 0,
    trust: Sequence[bytes] = (),
    rollback: bool = False,
) -> bytes:
    """Return the unsigned bundle of the application in a folder (pantau_node/ and pantau_wire/, compiled); raises BundleError.

    trust: the two moduli that replace the trusted ones once the node has accepted this; rollback: may replace a later release.
    """
    left_out = {f"pantau_wire/{name}.mpy" for name in _HOST_ONLY}
    paths = [path for part in ("pantau_node", "pantau_wire") for path in sorted((folder / part).rglob("*.mpy"))]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    files = {name: data for name, data in files.items() if name not in left_out}
    for needed in ("pantau_node/app.mpy", "pantau_wire/frame.mpy"):
        if needed not in files:
            raise BundleError(f"{folder}: no {needed}: compile the application into it first")
    return _pack(files, wire.APP, version, release, board, mpy, min_release, trust, rollback=rollback)


def build_image(
    image: bytes,
    *,
    version: str,
    release: int,
    board: Sequence[str],
    mpy: int = MPY,
    min_release: int = 0,
    trust: Sequence[bytes] = (),
    rollback: bool = False,
) -> bytes:
    """Return the unsigned bundle of a full image for the OTA partition of one kind of chip; raises BundleError."""
    if image[:1] != b"\xe9":
        raise BundleError("not an application image of an ESP chip: it begins with another byte than E9")
    return _pack({"image": image}, wire.IMAGE, version, release, board, mpy, min_release, trust, rollback=rollback)


def _pack(
    files: dict[str, bytes],
    kind: str,
    version: str,
    release: int,
    board: Sequence[str],
    mpy: int,
    min_release: int,
    trust: Sequence[bytes],
    *,
    rollback: bool,
) -> bytes:
    for path in files:
        if not wire.valid_path(path):
            raise BundleError(f"{path}: a bundle cannot carry a file of this name")
    payload = b"".join(
        bytes([len(path)]) + path.encode() + len(data).to_bytes(4, "big") + data for path, data in files.items()
    )
    fields: dict[str, Any] = {
        "version": version,
        "release": release,
        "kind": kind,
        "board": sorted(board),
        "mpy": mpy,
        "min_release": min_release,
        "files": len(files),
        "size": len(payload),
        "sha256": hashlib.sha256(payload).hexdigest(),
        "room": _room(files) if kind == wire.APP else 0,
    }
    if trust:
        fields["trust"] = [base64.b64encode(one).decode() for one in trust]
    if rollback:
        fields["rollback"] = True
    try:
        wire.check(fields)
        manifest = wire.text(fields).encode()
    except WireError as error:
        raise BundleError(str(error)) from None
    if len(manifest) > wire.MAX_MANIFEST:
        raise BundleError(f"a manifest of {len(manifest)} bytes, at most {wire.MAX_MANIFEST}: name fewer boards")
    return _join(manifest, 0, b"", payload)


def _room(files: dict[str, bytes]) -> int:
    """Return what the files take of a node's flash: whole blocks, and two for each folder."""
    folders = {path.rpartition("/")[0] for path in files}
    return _BLOCK * (sum(-(-len(data) // _BLOCK) for data in files.values()) + 2 * len(folders) + 2)


def _join(manifest: bytes, key: int, signature: bytes, payload: bytes) -> bytes:
    head = wire.MAGIC + len(manifest).to_bytes(4, "big") + manifest
    return head + len(signature).to_bytes(2, "big") + bytes([key]) + signature + payload


def sign(data: bytes, key: rsa.RSAPrivateKey, index: int) -> bytes:
    """Return the bundle signed by the private half of the trusted key with this index, 0 or 1; raises BundleError."""
    head = _head(data)
    _usable(key.public_key())
    signature = key.sign(head.manifest, padding.PKCS1v15(), hashes.SHA256())
    return _join(head.manifest, index, signature, data[head.start :])


def _usable(key: rsa.RSAPublicKey) -> None:
    if key.key_size != wire.KEY_BYTES * 8 or key.public_numbers().e != _EXPONENT:
        raise BundleError(
            f"an RSA key of {key.key_size} bits: nodes check {wire.KEY_BYTES * 8} with exponent {_EXPONENT}"
        )


def modulus(key: rsa.RSAPublicKey) -> bytes:
    """Return what a node's trust file names of a public key; raises BundleError for a key that nodes cannot check."""
    _usable(key)
    return key.public_numbers().n.to_bytes(wire.KEY_BYTES, "big")


def read(data: bytes) -> Bundle:
    """Return the bundle if all but its signature is sound; raises BundleError."""
    head = _head(data)
    payload = data[head.start :]
    if len(data) != head.total or hashlib.sha256(payload).hexdigest() != head.fields["sha256"]:
        raise BundleError("the payload is not what the manifest says: copy the bundle again, or build it anew")
    files: dict[str, bytes] = {}
    at = 0
    while at < len(payload):
        try:
            path, start, size = wire.entry(payload, at)
        except WireError as error:
            raise BundleError(f"file {len(files)} of the bundle: {error}") from None
        at = start + size
        files[path] = payload[start:at]
    if at != len(payload) or len(files) != head.fields["files"]:
        raise BundleError("the files do not add up to what the manifest says: build the bundle anew")
    key = head.key if head.signature else None
    return Bundle(head.ident, head.fields, key, head.manifest, head.signature, files, data)


def _head(data: bytes) -> Any:
    try:
        return wire.head(data[: wire.MAX_HEAD])
    except WireError as error:
        raise BundleError(f"not a bundle: {error}") from None


def verify(bundle: Bundle, moduli: Sequence[bytes]) -> bool:
    """Tell whether a node that trusts these two keys takes the signature."""
    if bundle.key is None or bundle.key >= len(moduli):
        return False
    key = rsa.RSAPublicNumbers(_EXPONENT, int.from_bytes(moduli[bundle.key], "big")).public_key()
    try:
        key.verify(bundle.signature, bundle.manifest, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def chunk(data: bytes, ident: int, offset: int) -> dict[str, Any]:
    """Return the fields of the UPDATE frame that carries the bundle's bytes from offset on."""
    return {"id": ident, "offset": offset, "total": len(data), "chunk": data[offset : offset + wire.MAX_CHUNK]}
