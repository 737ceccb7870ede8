"""`pantau node replace`: a station's series goes on when its board changes."""

from __future__ import annotations

import difflib
import re
from datetime import datetime
from typing import TYPE_CHECKING

import click

from pantau import config as config_file
from pantau import durable
from pantau import keys as key_file
from pantau import registry as registry_file
from pantau.cli._config import config_option
from pantau.cli.node._common import now
from pantau.cli.report import FailedError, UsageError
from pantau.registry.edit import EditError, Replacement, replace_node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONTEXT = 3
_HUNK = re.compile(r"^@@ -(\d+)(\S*) \+(\d+)")
_JUST_NOW_S = 60
_YEARS = range(2000, 9000)


def _time(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("give a time as 2026-07-01T10:30+07:00") from None
    if time.tzinfo is None:
        raise click.BadParameter(f"give the zone too, as {value}+07:00")
    if time.year not in _YEARS:
        raise click.BadParameter(f"there were no nodes in the year {time.year}")
    return time.replace(microsecond=0)


@click.command("replace")
@config_option
@click.argument("station")
@click.option("--node", "new", required=True, metavar="NEW", help="The node that stands there from now on.")
@click.option("--old", metavar="OLD", help="The node that leaves, where the station has several.")
@click.option("--at", callback=_time, metavar="TIME", help="When, as 2026-07-01T10:30+07:00; left out: now.")
@click.option("--dry-run", is_flag=True, help="Show the change and write nothing.")
def command(path: Path, station: str, new: str, old: str | None, at: datetime | None, dry_run: bool) -> None:
    """Put the node NEW in the place of the one that stands at STATION, in registry.toml.

    The station keeps its id, its series, its calibrations and its sensors. Readings count for the station by the time at
    which they were taken: what the old board still holds, too.
    """
    config = config_file.load(path)
    file = config.bridge.registry
    registry_file.load(file)  # ConfigError: what was wrong before
    if new not in key_file.load(config.bridge.keys, config.bridge.keys_secret):
        raise UsageError(
            f"{new} has no key in {config.bridge.keys}, so nothing that it sends would be taken. Make it first, with"
            f" its board on the cable, which also moves the station to it: pantau node provision --station {station} --replace OLD"
        )
    content = file.read_bytes()
    when = at or now()
    edited = _edited(content.decode(), station, new, old, when)
    registry_file.read(edited.tables, file)  # ConfigError: what would overlap
    click.echo("".join(_difference(content.decode(), edited.text, str(file))), nl=False)
    click.echo(_said(edited, station))
    if dry_run:
        click.echo("Nothing was written (--dry-run).")
        return
    try:
        written = durable.edit(file, content, edited.text)
    except OSError as error:
        raise FailedError(f"{file} cannot be written: {error.strerror}; it is as it was") from None
    if not written:
        raise FailedError(f"{file} was changed by somebody else meanwhile and is left so; run the command again")
    click.echo(f"Wrote {file}. A running bridge takes it over by itself.")
    if (now() - when).total_seconds() > _JUST_NOW_S:
        click.echo(f"What {new} sent before this was refused: pantau quarantine replay --reason unknown_node -c {path}")


def _edited(text: str, station: str, new: str, old: str | None, at: datetime) -> Replacement:
    try:
        return replace_node(text, station, new=new, old=old, at=at)
    except EditError as error:
        raise UsageError(str(error)) from None


def _said(edited: Replacement, station: str) -> str:
    left = f"{edited.old} leaves {station}" if edited.old else f"No node stood at {station} then"
    sensors = f"; {edited.sensors} sensors go over to it" if edited.sensors else ""
    return f"{left}, {edited.new} comes{sensors}."


def _difference(before: str, after: str, name: str) -> Iterator[str]:
    """Yield a unified diff. What is the same at both ends is cut off first: comparing 100,000 lines takes minutes."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    head = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    rest = min(len(old), len(new)) - head
    tail = next((i for i in range(rest) if old[-1 - i] != new[-1 - i]), rest)
    start, stop = max(0, head - _CONTEXT), max(0, tail - _CONTEXT)
    lines = difflib.unified_diff(old[start : len(old) - stop], new[start : len(new) - stop], name, name, n=_CONTEXT)
    for line in lines:
        text = _HUNK.sub(lambda m: f"@@ -{int(m[1]) + start}{m[2]} +{int(m[3]) + start}", line)
        yield text if text.endswith("\n") else text + "\n"
