"""`pantau quarantine list|show|replay`: what was refused, why, and trying again."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pantau import config as config_file
from pantau import keys as key_file
from pantau import quarantine
from pantau import registry as registry_file
from pantau.cli._config import config_option
from pantau.cli.report import FailedError, UsageError
from pantau.ingest import Ingest
from pantau.problems import ConfigError
from pantau.refusals import REASONS
from pantau.spool import SpoolBroken, SpoolUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau.config import Config
    from pantau.spool import Spool

_SHOWN = 200
_TOPIC_SHOWN = 100


@click.group("quarantine")
def command() -> None:
    """Refused messages and frames that could not be used."""


@command.command("list")
@config_option
@click.option("--reason", help="Only this reason.")
@click.option("--node", help="Only this node.")
def list_(path: Path, reason: str | None, node: str | None) -> None:
    """List entries, oldest first, and what each reason means."""
    with _opened(config_file.load(path)) as spool:
        found = spool.entries(reason, node)
    click.echo(f"{'id':>6}  {'last seen (UTC)':<19}  {'times':>5}  {'bytes':>6}  {'reason':<16}  node boot/seq")
    for entry in found[-_SHOWN:]:
        who = f"{entry.node or '-'} {entry.boot}/{entry.seq}" if entry.seq is not None else entry.node or "-"
        head = f"{entry.id:>6}  {_time(entry.last_ms)}  {entry.times:>5}  {entry.size:>6}"
        said = " ".join(part for part in (who, _from(entry), entry.detail) if part)
        click.echo(f"{head}  {entry.reason:<16}  {said}")
    if len(found) > _SHOWN:
        click.echo(f"... and {len(found) - _SHOWN} older ones; narrow with --reason or --node")
    for code in sorted({entry.reason for entry in found}):
        click.echo(f"{code}: {REASONS.get(code, '')}")
    click.echo(f"{len(found)} entries")


@command.command()
@config_option
@click.argument("number", metavar="ID", type=int)
def show(path: Path, number: int) -> None:
    """Show one entry with its bytes; `pantau frame explain` reads them."""
    with _opened(config_file.load(path)) as spool:
        entry = spool.entry(number)
        if entry is None:
            raise UsageError(f"there is no entry {number}; see pantau quarantine list")
        payload = entry.payload
    click.echo(f"entry    {entry.id}\nreason   {entry.reason}: {REASONS.get(entry.reason, '')}")
    if entry.detail:
        click.echo(f"detail   {entry.detail}")
    click.echo(
        f"topic    {_plain(entry.topic) or '(stored frame)'}\nnode     {entry.node or '-'}  boot {entry.boot}  seq {entry.seq}"
    )
    click.echo(f"seen     {_time(entry.first_ms)} .. {_time(entry.last_ms)} UTC, {entry.times} times")
    click.echo(f"bytes    {entry.size}{f', kept {len(payload)}' if len(payload) < entry.size else ''}\n{payload.hex()}")


@command.command()
@config_option
@click.argument("numbers", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every entry.")
@click.option("--reason", help="Every entry with this reason.")
def replay(path: Path, numbers: tuple[int, ...], everything: bool, reason: str | None) -> None:
    """Try entries again, with the registry, keys and code of today. What is refused again stays."""
    if not (numbers or everything or reason):
        raise UsageError("say what to replay: one or more ID, --reason CODE or --all")
    config = config_file.load(path)
    with _opened(config) as spool:
        chosen = [e.id for e in spool.entries(reason, None) if everything or reason or e.id in numbers]
        if missing := sorted(set(numbers) - set(chosen)):
            raise UsageError(f"there is no entry {', '.join(map(str, missing))}; see pantau quarantine list")
        spool.want_replay(chosen)
        click.echo(_replay_here(config, spool, len(chosen)))


def _replay_here(config: Config, spool: Spool, chosen: int) -> str:
    """Replay now when no bridge runs on the folder; a running bridge takes the requests within a second."""
    from pantau.owner import sole_owner

    try:
        with sole_owner(config.bridge.data_dir):
            registry = registry_file.load(config.bridge.registry)
            ingest = Ingest(
                config.bridge.city, registry, key_file.load(config.bridge.keys, config.bridge.keys_secret), spool
            )
            tried = stored = 0
            while (done := quarantine.replay(spool, ingest, stored_too=False)).tried:
                tried += done.tried
                stored += done.stored
    except ConfigError as error:
        if not any(problem.key == "bridge.data_dir" for problem in error.problems):
            raise
        return f"{chosen} asked for; the running bridge tries them within seconds. See its log, or list again."
    waiting = f"; {chosen - tried} stored frames are delivered again when the bridge starts" if chosen > tried else ""
    return f"{tried} tried, {stored} became frames, the rest stays or was known{waiting}"


@contextlib.contextmanager
def _opened(config: Config) -> Iterator[Spool]:
    """The spool of a configuration, with its trouble told as a failed command."""
    from pantau.bridge import open_spool

    if not config.spool_path.exists():
        raise UsageError(f"{config.spool_path} does not exist: this bridge has never run")
    try:
        spool = open_spool(config)
        try:
            yield spool
        finally:
            spool.close()
    except (SpoolUnavailable, SpoolBroken) as error:
        raise FailedError(str(error)) from None


def _from(entry: quarantine.Entry) -> str:
    """Return the topic where no node was believed: it shows who the sender claims to be."""
    return f"topic {_plain(entry.topic)[:_TOPIC_SHOWN]}" if entry.topic and not entry.node else ""


def _plain(text: str) -> str:
    """Return a stranger's text on one line, with nothing that a terminal obeys."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _time(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
