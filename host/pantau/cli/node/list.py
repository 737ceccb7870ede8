"""`pantau node list`: the boards on this computer, and what is on each."""

from __future__ import annotations

import sys

import click

from pantau.cli.node._field import json_option, lang_option, note, tell
from pantau.node.found import NODE, Found, look_all
from pantau.node.ports import find_ports
from pantau.node.words import say


@click.command("list")
@json_option
@lang_option
def command(as_json: bool, lang: str) -> None:
    """List the boards on this computer by serial number, with what is on each; nothing is stopped or reset.

    USB ports, and those that PANTAU_BOARDS names: [SERIAL=]DEVICE,... with DEVICE a path or socket://host:port.
    """
    ports = find_ports()
    if ports and sys.stderr.isatty():
        note(f"{say('found.looking', lang)}: {', '.join(port.device for port in ports)}", as_json=True)
    found = look_all(ports)
    rows = [{"port": one.port.device, "serial": one.port.serial, "usb": one.port.description, "kind": one.kind, **one.facts} for one in found]  # fmt: skip
    tell({"boards": rows}, _table(found, lang), as_json=as_json)


def _table(found: list[Found], lang: str) -> str:
    if not found:
        return say("found.none", lang)
    widths = max(len(one.port.serial) for one in found), max(len(one.port.device) for one in found)
    return "\n".join(
        f"{one.port.serial:<{widths[0]}}  {one.port.device:<{widths[1]}}  {_said(one, lang)}" for one in found
    )


def _said(one: Found, lang: str) -> str:
    facts = dict(one.facts)
    if one.kind != NODE:
        return say(f"found.{one.kind}", lang, **facts)
    if not facts.get("node"):
        return say("found.unnamed", lang, version=facts.get("version", "?"))
    shown = {name: facts.get(name) or "?" for name in ("node", "version", "station")}
    return say("found.node", lang, **shown, setup=say("found.setup", lang) if facts.get("setup") else "")
