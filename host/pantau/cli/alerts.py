"""`pantau alerts list|explain|rules check`: what is wrong in the city, why Pantau thinks so, and the rules it goes by."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pantau import config as config_file
from pantau.cli._config import config_option
from pantau.cli.report import FailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau.alerts.reads import AlertReader, Entry, Listed
    from pantau.alerts.rules import RuleSet

_language = click.option(
    "--lang", type=click.Choice(["en", "id"]), default="en", show_default=True, help="Language of the texts."
)
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")


@click.group("alerts")
def command() -> None:
    """Alerts: what is open, and why."""


@command.command("list")
@config_option
@_language
@_json
@click.option("--all", "everything", is_flag=True, help="Ended ones too, newest first.")
@click.option("--station", help="Only this station, open and ended.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
def list_(path: Path, lang: str, as_json: bool, everything: bool, station: str | None, limit: int) -> None:
    """List open alerts, worst and newest first."""
    with _reader(path) as reader:
        past_too = everything or station is not None
        found = reader.history(station=station, limit=limit) if past_too else reader.open_alerts(limit)
    for one in found:
        click.echo(_as_json(one) if as_json else _line(one, lang))
    if not as_json:
        click.echo(f"{len(found)} alerts" if lang == "en" else f"{len(found)} peringatan")


@command.command()
@config_option
@_language
@_json
@click.argument("number", metavar="ID", type=int)
def explain(path: Path, lang: str, as_json: bool, number: int) -> None:
    """Tell every decision about one alert, with the readings and limits it rests on."""
    with _reader(path) as reader:
        one, entries = reader.alert(number), reader.explain(number)
    if one is None:
        raise UsageError(f"there is no alert {number}, or it is kept no longer; see pantau alerts list --all")
    if as_json:
        for entry in entries:
            click.echo(json.dumps(entry._asdict(), ensure_ascii=False))
        return
    click.echo(_line(one, lang))
    for entry in entries:
        _tell(entry, lang)


@command.group()
def rules() -> None:
    """The rules that alerts go by."""


@rules.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--registry", type=click.Path(dir_okay=False, path_type=Path), help="Check station names against it.")
def check(file: Path, registry: Path | None) -> None:
    """Say every mistake in FILE (exit 2), or what its rules look at."""
    from pantau import registry as registry_file
    from pantau.alerts import files

    stations = None if registry is None else registry_file.load(registry).stations
    _say_rules(files.load(file, stations))


def _say_rules(found: RuleSet) -> None:
    for rule in found.rules.values():
        where = rule.where
        chosen = ", ".join(where.stations or where.domains or ["all stations"])
        click.echo(f"{rule.id:<24}  {rule.kind:<10}  {chosen}")
    click.echo(f"{len(found.rules)} rules, all well")


@contextlib.contextmanager
def _reader(path: Path) -> Iterator[AlertReader]:
    """The alert store of a configuration, with its trouble told as a failed command."""
    from pantau.alerts.reads import AlertReader

    store = config_file.load(path).bridge.data_dir / "alerts.sqlite3"
    if not store.exists():
        raise UsageError(f"{store} does not exist: this bridge has not run yet")
    try:
        with contextlib.closing(AlertReader(store)) as reader:
            yield reader
    except (sqlite3.Error, RuntimeError) as error:
        raise FailedError(f"{store}: {error}") from None


def _line(one: Listed, lang: str) -> str:
    from pantau.alerts import words

    alert = one.alert
    word = words.severity(alert.severity)
    marks = [
        "" if alert.closed_ms is None else "ended",
        "past" if alert.past else "",
        "muted" if alert.muted else "",
        "" if alert.confirmed else "unconfirmed",
        f"acknowledged by {alert.acknowledged_by}" if alert.acknowledged_by else "",
        f"shelved by {alert.shelved_by}" if alert.shelved_by else "",
    ]
    said = ", ".join(mark for mark in marks if mark)
    text = one.english if lang == "en" else one.indonesian
    severity = word.en if lang == "en" else word.id
    opened = words.clock(alert.opened_ms, "UTC")
    return f"{alert.id:>6}  {severity:<8}  {opened}  {text}{f' [{said}]' if said else ''}"


def _as_json(one: Listed) -> str:
    return json.dumps(one.alert._asdict() | {"english": one.english, "indonesian": one.indonesian}, ensure_ascii=False)


def _tell(entry: Entry, lang: str) -> None:
    from pantau.alerts import words

    click.echo(f"\n{entry.number:>6}  {words.clock(entry.decided_ms, 'UTC')}  {entry.action}")
    click.echo(f"        {entry.english if lang == 'en' else entry.indonesian}")
    for figure in entry.explanation["figures"]:
        place = f"{figure['node']} {figure['boot']}/{figure['seq']}/{figure['index']}" if figure["node"] else "-"
        when = words.clock(figure["at_ms"], "UTC")
        click.echo(
            f"        {when}  {words.number(figure['value']):>9}  quality {figure['quality']} {figure['reason']}  {place}"
        )
    limits = ", ".join(f"{name} = {json.dumps(value)}" for name, value in entry.explanation["limits"].items())
    click.echo(f"        {limits}")
