"""Certificates that end: told in time, with what to do. What nobody renews ends a whole network in one night.

Looked at: the files of [mqtt], the nodes' certificates in a fleet's key store, and what the broker shows when we connect.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from cryptography import x509

from pantau import vault
from pantau.fleet.ca import WARN_DAYS, expires
from pantau.fleet.keystore import Keystore
from pantau.ops.figures import key
from pantau.problems import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pantau.config import Config

_DAY_S = 86_400
_LOOK_S = 3600.0
_NAMED = 5  # nodes that a problem names
_RENEW = {
    "ca": "make a new authority in time: every node has to be given its certificate",
    "bridge": "renew it: pantau fleet rotate --server",
    "broker": "renew it: pantau fleet rotate --server, and copy the files to the broker",
    "nodes": "rotate them, and provision them over the cable: pantau fleet rotate NODE",
}


class Expiry:
    """When certificates end, Unix seconds; read again by `look`, hourly, in a thread."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}
        self._nodes: list[tuple[float, str]] = []

    async def run(self, config: Callable[[], Config]) -> None:
        """Look once an hour."""
        while True:
            await asyncio.to_thread(self.look, config())
            await asyncio.sleep(_LOOK_S)

    def look(self, config: Config) -> None:
        """Read the files. What cannot be read is a problem of the configuration, which is told elsewhere."""
        files = {"ca": config.mqtt.ca, "bridge": config.mqtt.certificate}
        self._ends = {name: end for name, path in files.items() if path is not None and (end := _end(path)) is not None}
        self._nodes = _nodes(config.bridge.keys, config.bridge.keys_secret)
        if self._nodes:
            self._ends["nodes"] = self._nodes[0][0]

    def figures(self) -> dict[str, float]:
        """Return for how many seconds each is still valid; of the nodes the first that ends."""
        return {figure: left for name, end_s in self._ends.items() for figure, left in left_of(name, end_s).items()}

    def problems(self) -> list[str]:
        """Return what ends within WARN_DAYS, or has ended."""
        found = []
        for name, end_s in sorted(self._ends.items()):
            found += problem(name, end_s, self._late() if name == "nodes" else f"the certificate of {name}")
        return found

    def _late(self) -> str:
        soon_s = time.time() + WARN_DAYS * _DAY_S
        late = [node for end_s, node in self._nodes if end_s < soon_s]
        more = f" and {len(late) - _NAMED} more" if len(late) > _NAMED else ""
        return f"the certificates of {', '.join(late[:_NAMED])}{more}: the first"


def left_of(name: str, end_s: float) -> dict[str, float]:
    """Return the figure of a certificate that ends at `end_s`, Unix seconds."""
    return {key("certificate_expires_seconds", of=name): end_s - time.time()}


def problem(name: str, end_s: float, whose: str) -> list[str]:
    """Return what to say of a certificate that ends within WARN_DAYS, or has ended; else nothing."""
    days = (end_s - time.time()) / _DAY_S
    if days > WARN_DAYS:
        return []
    when = f"ends in {days:.0f} days" if days > 0 else f"ended {-days:.0f} days ago"
    return [f"{whose} {when}; {_RENEW[name]}"]


def _end(path: Path) -> float | None:
    """Return until when a certificate in PEM or DER is valid, of several the first that ends; None where there is none."""
    try:
        data = path.read_bytes()
        found = (
            x509.load_pem_x509_certificates(data) if b"-----BEGIN" in data else [x509.load_der_x509_certificate(data)]
        )
    except (OSError, ValueError):
        return None
    return min(one.not_valid_after_utc.timestamp() for one in found)


def _nodes(path: Path, secret: Path | None) -> list[tuple[float, str]]:
    """Return (end, node) of every certificate in a key store, the first that ends first; [] for keys.json, which has none."""
    try:
        with path.open("rb") as file:
            if not vault.is_vault(file.read(64)):
                return []
        store = Keystore.open(path, vault.load_secret(secret or vault.secret_file(path)))
        shown = [(store.secrets(node).cert_der, node) for node in store.nodes]
        return sorted((expires(der).timestamp(), node) for der, node in shown if der)
    except (OSError, ConfigError, ValueError):
        return []
