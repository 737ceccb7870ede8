"""The two keys that sign releases: every node trusts both, so that one can be kept where no network reaches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from pantau import durable, vault
from pantau.fleet import bundle
from pantau.fleet.keystore import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.vault import Secret

INDEXES = (0, 1)
_BITS, _EXPONENT = 3072, 65537
_PUBLIC, _PRIVATE = 0o644, 0o600
_TRUST = "trust.json"


def place(folder: Path, index: int) -> Path:
    """Return where a release key lies as long as it is here."""
    return folder / f"release-{index}.vault"


def make(folder: Path, passphrase: Secret) -> None:
    """Write both keys, sealed, and trust.json with their moduli."""
    moduli = []
    for index in INDEXES:
        key = rsa.generate_private_key(_EXPONENT, _BITS)
        vault.write(
            place(folder, index), key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), passphrase
        )
        moduli.append(bundle.modulus(key.public_key()).hex())
    durable.write(folder / _TRUST, json.dumps({"keys": moduli}) + "\n", mode=_PUBLIC)


def trusted(folder: Path) -> list[str]:
    """Return the moduli of both, hex: trust.a and trust.b of every node."""
    found: list[str] = json.loads((folder / _TRUST).read_text(encoding="ascii"))["keys"]
    return found


def unseal(folder: Path, index: int, secret: Secret) -> rsa.RSAPrivateKey:
    """Return a release key. Raises VaultError; StoreError for one that is kept elsewhere, or that no node trusts."""
    path = place(folder, index)
    if not path.exists():
        raise StoreError(
            f"{path} is not here: it is kept off-line. Bring it here for as long as you sign, or sign with the other"
        )
    key = load_der_private_key(vault.read(path, secret), None)
    if not isinstance(key, rsa.RSAPrivateKey) or bundle.modulus(key.public_key()).hex() != trusted(folder)[index]:
        raise StoreError(f"{path} is no release key of this fleet: {_TRUST} has another one in its place")
    return key


def take_away(folder: Path, index: int, to: Path) -> None:
    """Move a release key, sealed as it is, to another disk: here it is gone once it was read back there. StoreError where it cannot be."""
    path = place(folder, index)
    if not path.exists():
        raise StoreError(f"{path} is not here: it is kept off-line already")
    if not any(place(folder, other).exists() for other in INDEXES if other != index):
        raise StoreError("the other release key is off-line already: with neither here nothing can be signed")
    text = path.read_text(encoding="ascii")
    try:
        durable.create(to, text, mode=_PRIVATE)
    except FileExistsError:
        raise StoreError(f"{to} is there already and is left as it is") from None
    if to.read_text(encoding="ascii") != text:
        raise StoreError(f"{to} cannot be read back as it was written: the key stays here; use another disk")
    path.unlink()
    durable.sync_folder(folder)
