"""Secrets at rest: one file, encrypted and authenticated, that opens with a key of its own or with a passphrase.

A line of JSON that says how (it is authenticated too), then the ciphertext in base64: AES-256-GCM (NIST SP 800-38D) with a fresh 96-bit nonce for
each writing. The key comes from a file of mode 0600 or a systemd credential, or is made of a passphrase by scrypt (RFC 7914) with a salt of
the file's own. Written whole or not at all; a changed bit anywhere is a file that does not open.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from pantau import durable
from pantau.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY_BYTES = 32
SECRET_ENV = "PANTAU_KEYS_SECRET"  # noqa: S105  the name of a variable that names a file
_MAGIC = b'{"pantau-vault":1,'
_HEAD = 256  # its first line is shorter
_NONCE, _SALT = 12, 16
_SCRYPT_N = 1 << 15  # 32 MiB and a tenth of a second: what a laptop can bear and a guesser feels
_MOST_N = 1 << 20  # a file that asks for more is an attack on who opens it
_MODE = 0o600


class Secret(NamedTuple):
    """What opens a vault: 32 bytes, or a passphrase. Never printed."""

    key: bytes | None = None
    passphrase: str | None = None

    def __repr__(self) -> str:
        return "<Secret>"


class VaultError(ConfigError):
    """A vault that cannot be opened or written; says what to do and nothing of what is in it."""


def new_secret() -> Secret:
    """Return a new random key."""
    return Secret(key=secrets.token_bytes(KEY_BYTES))


def is_vault(data: bytes) -> bool:
    """Tell whether a file's bytes are a vault's."""
    return data.startswith(_MAGIC)


def by_passphrase(path: Path) -> bool:
    """Tell whether the vault at `path` opens with a passphrase; False where there is none."""
    try:
        with path.open("rb") as file:
            line = file.readline(_HEAD)
    except OSError:
        return False
    return is_vault(line) and b'"kdf"' in line


def seal(plain: bytes, secret: Secret) -> bytes:
    """Return the bytes of a vault."""
    nonce = secrets.token_bytes(_NONCE)
    head: dict[str, Any] = {"pantau-vault": 1, "nonce": base64.b64encode(nonce).decode()}
    salt = b""
    if secret.key is None:
        salt = secrets.token_bytes(_SALT)
        head |= {"kdf": "scrypt", "n": _SCRYPT_N, "salt": base64.b64encode(salt).decode()}
    line = json.dumps(head, separators=(",", ":")).encode() + b"\n"
    sealed = AESGCM(_key(secret, salt, _SCRYPT_N)).encrypt(nonce, plain, line)
    return line + base64.b64encode(sealed) + b"\n"


def unseal(data: bytes, secret: Secret, name: str) -> bytes:
    """Return what is in a vault; VaultError, which calls it `name`, where it does not open."""
    line, _, text = data.partition(b"\n")
    try:
        head = json.loads(line)
        sealed = base64.b64decode(text.strip(), validate=True)
        nonce = base64.b64decode(head["nonce"], validate=True)
        by_phrase = head.get("kdf") == "scrypt"
        salt, n = (base64.b64decode(head["salt"], validate=True), int(head["n"])) if by_phrase else (b"", _SCRYPT_N)
        if not is_vault(data) or len(nonce) != _NONCE or not 1 < n <= _MOST_N or n & (n - 1):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise _error(name, "is no vault, or is damaged; take it from its backup") from None
    if by_phrase and secret.passphrase is None:
        raise _error(name, "opens with a passphrase: give it when asked, or in a file")
    if not by_phrase and secret.key is None:
        raise _error(name, "opens with a key, not with a passphrase: name the file of the key")
    try:
        key = _key(Secret(passphrase=secret.passphrase) if by_phrase else secret, salt, n)
        return AESGCM(key).decrypt(nonce, sealed, line + b"\n")
    except InvalidTag:
        what = "another passphrase" if by_phrase else "another key"
        raise _error(name, f"does not open: it was sealed with {what}, or is damaged; nothing was changed") from None


def _key(secret: Secret, salt: bytes, n: int) -> bytes:
    if secret.key is not None:
        return secret.key
    assert secret.passphrase is not None
    return Scrypt(salt=salt, length=KEY_BYTES, n=n, r=8, p=1).derive(secret.passphrase.encode())


def read(path: Path, secret: Secret) -> bytes:
    """Return what is in the vault at `path`. Raises VaultError."""
    try:
        return unseal(path.read_bytes(), secret, str(path))
    except OSError as error:
        raise _error(str(path), f"cannot be read ({error.strerror})") from None


def write(path: Path, plain: bytes, secret: Secret) -> None:
    """Replace the vault at `path`: after a power cut it is the old one or the new one. Raises VaultError."""
    try:
        durable.write(path, seal(plain, secret).decode(), mode=_MODE)
    except OSError as error:
        raise _error(str(path), f"cannot be written ({error.strerror}); it is as it was") from None


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other writers of `path` out while it is read, changed and written; they wait."""
    lock = path.with_name(f".{path.name}.lock")
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, _MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def secret_file(path: Path) -> Path:
    """Return where the key of the vault at `path` is looked for: named by the environment, a systemd credential, or beside it."""
    if named := os.environ.get(SECRET_ENV):
        return Path(named)
    name = path.stem + ".secret"
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    # The unit that `pantau bridge install` writes loads a folder, whose files systemd then calls pantau_NAME.
    for credential in (name, f"pantau_{name}") if folder else ():
        if (Path(folder or "") / credential).exists():
            return Path(folder or "") / credential
    return path.with_name(name)


def load_secret(path: Path) -> Secret:
    """Return the key in a file of 64 hexadecimal digits; VaultError for one that others can read, or that holds no key."""
    from pantau.keys import require_private

    require_private(path)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise _error(str(path), f"holds no key: {2 * KEY_BYTES} hexadecimal digits on one line")
    return Secret(key=key)


def save_secret(path: Path, secret: Secret) -> None:
    """Write a new key's file, mode 0600; VaultError where there is one already."""
    assert secret.key is not None
    try:
        durable.create(path, secret.key.hex() + "\n", mode=_MODE)
    except FileExistsError:
        raise _error(str(path), "is there already and is left as it is") from None
    except OSError as error:
        raise _error(str(path), f"cannot be written ({error.strerror})") from None


def _error(name: str, text: str) -> VaultError:
    return VaultError([Problem(name, "", text)])
