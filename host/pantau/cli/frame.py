"""`pantau frame explain HEX`: a frame's every field, with offset, bytes and meaning."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from pantau import explain as words
from pantau import keys as key_file
from pantau.cli import _hex
from pantau.cli.report import FailedError, UsageError
from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import topics

_WIDE = 36


@click.group("frame")
def command() -> None:
    """Look into frames, the bytes that nodes and bridge exchange."""


@command.command()
@click.argument("hex_", metavar="HEX")
@click.option("--node", help="Id of the node that sent it or is to get it, to check the tag with --key-file.")
@click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The bridge's keys.json, which holds the node's keys.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def explain(hex_: str, node: str | None, key_file: Path | None, as_json: bool) -> None:
    """Explain the frame in HEX; spaces and colons may stand in it, `-` reads it from the standard input.

    Exit 1 when the bytes are not a frame or the tag does not fit.
    """
    payload = _hex.parse(sys.stdin.read(16 * wire.MAX_FRAME) if hex_ == "-" else hex_)
    said = words.explain(payload)
    tag, fits = ("not checked: give --node and --key-file", None)
    if node is not None and not topics.valid_id(node):
        raise UsageError(f"{node!r} is not a node id: 1 to 23 characters of a-z 0-9 -")
    if node is not None and key_file is None:
        raise UsageError("--node needs --key-file: without the node's key the tag cannot be checked")
    if key_file is not None and node is None:
        raise UsageError("--key-file needs --node: the tag covers the node's id, which is not in the frame")
    if node is not None and key_file is not None and said.frame is not None:
        tag, fits = _check(payload, said.frame.key_id, node, key_file)
    click.echo(json.dumps(_as_json(said, tag, fits), indent=1) if as_json else _as_text(payload, said, tag))
    if said.error is not None or fits is False:
        raise FailedError("these bytes are not a frame" if said.error else "the tag does not fit")


def _check(payload: bytes, key_id: int, node: str, path: Path) -> tuple[str, bool]:
    key = key_file.load(path).find(node, key_id)
    if key is None:
        raise UsageError(f"{path} holds no key {key_id} of node {node}; the tag cannot be checked")
    fits = bool(wire.verify(payload, node, key))
    return (f"fits key {key_id} of {node}" if fits else f"bad_tag: {words.ERRORS['bad_tag']}"), fits


def _as_json(said: words.Explained, tag: str, fits: bool | None) -> dict[str, Any]:
    out: dict[str, Any] = {"error": None, "stopped": None, "tag": tag, "tag_fits": fits}
    if said.error is not None:
        out["error"] = {"code": said.error.code, "meaning": words.ERRORS[said.error.code], "detail": str(said.error)}
        out["stopped"] = said.stopped
    found = said.frame
    if found is not None:
        out |= {"kind": T.KINDS[found.kind], "key_id": found.key_id, "skipped": found.skipped}
        if found.kind in T.UP:
            out |= {name: getattr(found, name) for name in ("boot", "seq", "clock", "base_s", "profile")}
        else:
            out["counter"] = found.counter
    if said.records:
        out["records"] = said.records
    out["fields"] = said.fields
    names = ("bit", "bits", "depth", "data", "field", "meaning")
    out["layout"] = [{"offset": row.offset} | {name: getattr(row, name) for name in names} for row in said.rows]
    return out


def _as_text(payload: bytes, said: words.Explained, tag: str) -> str:
    lines = [f"{len(payload)} bytes", f"{'offset':<7} {'bytes (0b: bits)':<{_WIDE}} field"]
    for row in said.rows:
        data = row.data if len(row.data) <= _WIDE else row.data[: _WIDE - 3] + "..."
        lines.append(f"{row.offset:<7} {data:<{_WIDE}} {'  ' * row.depth}{row.field}: {row.meaning}")
    if said.error is not None:
        lines += ["", f"{said.error}", f"  {said.error.code}: {words.ERRORS[said.error.code]}"]
        lines.append(f"  decoding got {said.stopped}")
    if said.records:
        lines += ["", *_table(said.records)]
    lines += [f"  {name} = {text}" for name, text in said.fields.items()]
    if said.frame is not None:
        if said.frame.skipped:
            lines.append(f"skipped, not known to this version: {', '.join(map(str, said.frame.skipped))}")
        lines.append(f"tag {tag}")
    return "\n".join(lines)


def _table(records: list[dict[str, Any]]) -> list[str]:
    lines = []
    for record in records:
        cells = []
        for name, reading in record.items():
            if not isinstance(reading, dict):
                continue
            value = "-" if reading["value"] is None else f"{reading['value']} {reading['unit']}"
            worth = "" if reading["flag"] == "GOOD" else f" [{reading['flag']} {reading['reason']}]"
            cells.append(f"{name} {value}{worth}")
        lines.append(f"record {record['index']:>3}  {record['time']}  " + "  ".join(cells))
    return lines
