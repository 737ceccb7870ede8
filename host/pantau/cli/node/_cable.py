"""What the commands share that speak with a running node: the cable, the key that orders are signed with, times."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pantau import config as config_file
from pantau import keys as key_file
from pantau import vault
from pantau.cli.node._field import field_options
from pantau.cli.node._trouble import told
from pantau.cli.report import UsageError
from pantau.node.ports import choose, find_ports
from pantau.node.session import GREET_S, Key, Session
from pantau.node.words import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    F = Callable[..., Any]
    ParamOfInt = click.ParamType[int]
else:
    ParamOfInt = click.ParamType  # not generic before click 8.2

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


class Duration(ParamOfInt):
    """A time as 90, 90s, 10m, 2h: whole seconds within limits."""

    name = "time"

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return seconds."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,7})(s|m|min|h|d)?", value.strip())
        if not match:
            self.fail(f"{value!r}: give a time as 90s, 10m or 2h", param, ctx)
        seconds = int(match[1]) * _UNITS[match[2] or "s"]
        if not self._least <= seconds <= self._most:
            self.fail(f"{value}: must be {self._least} to {self._most} seconds", param, ctx)
        return seconds


def cable_options(command: F) -> F:
    """Add --port, --json, --lang and --wait (as `port`, `as_json`, `lang`, `wait`)."""
    wait = click.option(
        "--wait",
        type=Duration(1, 86400),
        default=int(GREET_S),
        metavar="TIME",
        help=f"How long to try until the node answers: a battery's node sleeps [{GREET_S:.0f}s].",
    )
    return field_options(wait(command))


def key_options(command: F) -> F:
    """Add --keys and --config (as `keys`, `config`)."""
    keys = click.option(
        "-k",
        "--keys",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="PANTAU_KEYS",
        show_envvar=True,
        metavar="FILE",
        help="Key store or keys.json with the node's key; left out: the one that the configuration names.",
    )
    config = click.option(
        "-c",
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        default=Path("pantau.toml"),
        show_default=True,
        help="The bridge's configuration.",
    )
    return keys(config(command))


@contextlib.contextmanager
def cable(port: str | None, wait: int, lang: str) -> Iterator[Session]:
    """Open the board's port and greet the node; trouble ends the command in the technician's language."""
    with told(lang), Session.open(choose(port, find_ports()), wait) as session:
        yield session


def load_keys(keys: Path | None, config: Path, lang: str) -> key_file.Keys:
    """Return the keys of the nodes. UsageError where neither option leads to any."""
    if keys is None:
        if not config.exists():
            raise UsageError(say("look.keys", lang, config=config))
        bridge = config_file.load(config).bridge
        if bridge.keys_secret is not None:
            return key_file.load(bridge.keys, bridge.keys_secret)
        keys = bridge.keys
    if keys.is_file() and b'"kdf"' in keys.read_bytes()[:200]:  # a technician's copy, sealed with a passphrase
        phrase = click.prompt(say("look.passphrase", lang, file=keys), hide_input=True, err=True)
        from pantau.fleet.keystore import Keystore

        return Keystore.open(keys, vault.Secret(passphrase=phrase)).keys()
    return key_file.load(keys)


def key_of(found: key_file.Keys, session: Session, lang: str) -> Key:
    """Return the key that orders to the node on the cable are signed with."""
    signing = found.signing(session.node)
    if signing is None:
        raise UsageError(say("look.no_key", lang, node=session.node or "?"))
    return Key(session.node, *signing)


def interactive(*, as_json: bool) -> bool:
    """Return whether somebody is there to answer."""
    return sys.stdin.isatty() and not as_json
