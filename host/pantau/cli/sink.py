"""`pantau sink list|test NAME`: where readings go, how far each target is, and whether one can be reached."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pantau import config as config_file
from pantau import registry as registry_file
from pantau.cli.report import FailedError, MissingError, UsageError
from pantau.progress import progress
from pantau.sinks import Context, trial
from pantau.sinks.items import TargetTrouble
from pantau.sinks.opening import about, configured, open_one
from pantau.spool import SpoolBroken, SpoolUnavailable

if TYPE_CHECKING:
    from pantau.config import Config
    from pantau.decode import Decoded
    from pantau.progress import Progress
    from pantau.sinks import Sink

_config = click.option(
    "-c", "--config", "path", type=click.Path(dir_okay=False, path_type=Path), default=Path("pantau.toml"),
    show_default=True, help="The bridge's configuration.",
)  # fmt: skip


@click.group("sink")
def command() -> None:
    """Targets of readings: what is configured, how far each is, a test."""


@command.command("list")
@_config
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_(path: Path, as_json: bool) -> None:
    """List every kind of sink; for those in the configuration how far they have come. The bridge may run."""
    config = config_file.load(path)
    try:
        found = progress(config, _now_ms())
    except (SpoolUnavailable, SpoolBroken) as error:
        raise FailedError(str(error)) from None
    if as_json:
        for one in found:
            click.echo(json.dumps(one._asdict()))
        return
    click.echo(f"{'sink':<13} {'has frame':>10}  {'behind by':<24}  {'dead letters':>12}  what it is")
    for one in found:
        click.echo(_line(one))
    if config.cluster is not None:
        click.echo("positions are those of the shared log; `pantau city run` says how far behind it is in its metrics")
    if any(one.dead_letters for one in found):
        click.echo("dead letters: pantau quarantine list --reason sink_rejected")


@command.command()
@click.argument("name", metavar="NAME")
@_config
@click.option(
    "--within", "within_s", type=click.FloatRange(min=0.1, max=600), default=10.0, show_default=True,
    help="Seconds to try for, to send and to read back.",
)  # fmt: skip
def test(name: str, path: Path, within_s: float) -> None:
    """Send one marked observation to a configured sink and read it back where the target can.

    The bridge may run: its cursor, and what its sink remembers, are not touched. The observation is of the node
    pantau-test and stays in the target unless it says otherwise.
    """
    config = config_file.load(path)
    _require(name, config)
    frame = trial.marked(_now_ms(), name)
    with tempfile.TemporaryDirectory(prefix="pantau-sink-test-") as folder:
        context = Context(config.bridge.city, trial.LOG, Path(folder), registry_file.load(config.bridge.registry))
        try:
            sink = open_one(name, config, context)
        except (sqlite3.Error, OSError) as error:
            raise MissingError(f"{name} cannot be opened: {error}; has the bridge run yet, and may you write there?") from None  # fmt: skip
        try:
            _try(sink, frame, within_s)
        finally:
            sink.close()


def _require(name: str, config: Config) -> None:
    known = list(type(config.sinks).model_fields)
    if name not in known:
        raise UsageError(f"there is no sink {name}; there are {', '.join(known)}")
    if name not in configured(config):
        raise UsageError(f"the configuration has no [sinks.{name}]; docs/sinks.md says what belongs in it")


def _try(sink: Sink, frame: Decoded, within_s: float) -> None:
    """Send, read back, tidy up and say so. Raises what the command ends with when it did not work."""
    seen = frame.observations[0]
    when = datetime.fromtimestamp(frame.received_ms / 1000, UTC).isoformat(timespec="milliseconds")
    click.echo(f"{about(sink.name).title}\nsending    {seen.property} = {seen.value:g} {seen.unit} of the node {seen.node} at {when}")  # fmt: skip
    try:
        result = trial.run(sink, frame, within_s)
        kind, reason = result.verdict.kind, result.verdict.reason
        if kind == "retry":
            raise MissingError(f"nothing was delivered in {result.sent_s:.1f} s: {reason}")
        if kind == "rejected":
            raise FailedError(f"the target is there and refuses the observation: {reason}")
        click.echo(f"{kind:<9}  in {result.sent_s:.2f} s")
        if result.readable:
            _shown(result, f"{seen.value:g}", within_s)
        else:
            click.echo("read back  not tried: this target cannot be asked")
    except TargetTrouble as error:
        raise MissingError(f"the observation was sent and cannot be read back: {error}") from None
    finally:
        gone = trial.take_away(sink)
    left = "nothing: it was taken away again" if gone else f"this observation of the node {seen.node}, and a position in the log {trial.LOG}: delete them there if they are in the way"  # fmt: skip
    click.echo(f"left there {left}")


def _shown(result: trial.Trial, value: str, within_s: float) -> None:
    if result.shown is None:
        raise FailedError(f"the target took it and does not show it within {within_s:g} s; look at the target")
    click.echo(f"read back  in {result.read_s:.2f} s: {result.shown}")
    if value not in result.shown:
        raise FailedError(f"the target shows another value than {value}: somebody else writes pantau-test there")


def _line(one: Progress) -> str:
    if not one.configured:
        return f"{one.name:<13} {'-':>10}  {'not configured':<24}  {'-':>12}  {one.title}"
    position = "none" if one.position is None else str(one.position)
    behind = "unknown"
    if one.lag_frames is not None and one.lag_s is not None:
        behind = f"{one.lag_frames} frames, {one.lag_s:.0f} s" if one.lag_frames else "nothing"
    dead = "-" if one.dead_letters is None else str(one.dead_letters)
    return f"{one.name:<13} {position:>10}  {behind:<24}  {dead:>12}  {one.title}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
