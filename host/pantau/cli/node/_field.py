"""What the commands share that speak with a board: port, language, JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from pantau.node.words import LANGUAGES, language

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    F = Callable[..., Any]

port_option = click.option(
    "-p",
    "--port",
    metavar="PORT",
    help="Device, USB serial number or socket://host:port of the board; needed where there are several.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, and nothing else there.")
lang_option = click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    callback=lambda _ctx, _param, value: language(value),
    help="Language for people; PANTAU_LANG or LANG where it is left out.",
)


def field_options(command: F) -> F:
    """Add --port, --json and --lang (as `port`, `as_json`, `lang`)."""
    return port_option(json_option(lang_option(command)))


def tell(result: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Say the result of a command: JSON for programs, `text` for people."""
    click.echo(json.dumps(result, ensure_ascii=False, sort_keys=True) if as_json else text)


def note(text: str, *, as_json: bool) -> None:
    """Say what goes on meanwhile; on stderr where stdout belongs to a program."""
    click.echo(text, file=sys.stderr if as_json else None)
