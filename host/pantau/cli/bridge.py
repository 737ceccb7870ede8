"""`pantau bridge init|check|run|status|backup|restore|install|uninstall|monitoring`."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pantau import durable, log
from pantau.cli._config import config_option
from pantau.cli.report import FailedError, UsageError
from pantau.ops.install import starting_files
from pantau.problems import ConfigError, Problem
from pantau.sources import Inbox
from pantau.sources.mqtt import explain, probe
from pantau.sources.session import SourceLost
from pantau.survey import survey

if TYPE_CHECKING:
    from pantau.config import Config

_log = logging.getLogger("pantau.bridge")
_PROBE_S = 3.0  # long enough for a TLS handshake over a bad line, short enough to wait for


class _BrokerError(click.ClickException):
    exit_code = 3


@click.group("bridge")
def command() -> None:
    """The bridge between nodes and city."""


@command.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def init(folder: Path) -> None:
    """Write commented files to start from into DIR: pantau.toml, registry.toml, keys.json. Overwrites nothing."""
    names = ("pantau.toml", "registry.toml", "keys.json")
    if there := [name for name in names if (folder / name).exists()]:
        raise UsageError(f"{folder} already has {', '.join(there)}; choose another folder or move them away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in starting_files().items():
            durable.write(folder / name, content.decode(), mode=0o600 if name == "keys.json" else 0o644)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from None
    click.echo(
        f"Wrote {', '.join(names)} to {folder}. Edit the first two, then: pantau bridge check -c {folder / names[0]}"
    )


@command.command()
@config_option
def check(path: Path) -> None:
    """Say everything that is wrong with the configuration and what it names, and whether the broker answers.

    Exits 2 when a file must be corrected, 3 when only the broker is not there.
    """
    found = survey(path)
    problems = found.problems + found.unenrolled
    if not found.problems:
        from pantau.web.basemap import mistakes

        problems += mistakes(found.config.web.basemap)
    broker = "" if found.problems else _broker(found.config)
    if problems or found.registry is None:
        listed = ConfigError([*problems, *([Problem("", "", broker)] if broker else [])])
        raise listed
    if broker:
        raise _BrokerError(f"the files are in order, but: {broker}")
    if found.config.web.exposed:
        click.echo(f"Careful: {found.config.web.exposed}.", err=True)
    stations, nodes = len(found.registry.stations), len(found.registry.nodes)
    click.echo(f"In order: {stations} stations, {nodes} nodes; the broker accepts this bridge.")


@command.command()
@config_option
def run(path: Path) -> None:
    """Run the bridge until SIGTERM or Ctrl-C; what was begun is finished and acknowledged."""
    from pantau.bridge import run as run_bridge
    from pantau.spool import SpoolBroken, SpoolUnavailable

    found = survey(path)
    if found.problems:
        raise ConfigError(found.problems + found.unenrolled)
    config = found.config
    log.set_up(config.bridge.log_level, as_json=config.bridge.log_json)
    if config.web.exposed:
        log.event(_log, logging.WARNING, "web.exposed", problem=config.web.exposed)
    for problem in found.unenrolled:
        log.event(_log, logging.WARNING, "bridge.unenrolled", problem=problem)
    try:
        run_bridge(path)
    except (SpoolBroken, SpoolUnavailable, sqlite3.Error, RuntimeError) as error:
        raise FailedError(str(error)) from None


@command.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the state as JSON, one object per look.")
@click.option("--watch", is_flag=True, help="Look again every two seconds until Ctrl-C.")
@click.pass_context
def status(context: click.Context, path: Path, *, as_json: bool, watch: bool) -> None:
    """Show how the running bridge is: rates, spool, sinks, late nodes, quarantine, problems.

    Exits 0 when it is healthy, 1 when it has problems, 3 when it does not run.
    """
    from pantau.cli._bridge_status import show

    context.exit(show(path, as_json=as_json, watch=watch))


@command.command()
@config_option
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--check", "verify", is_flag=True, help="Verify the backup TARGET instead of making one.")
@click.option(
    "--without-keys", is_flag=True, help="Leave out the nodes' keys and every password, token and private key."
)
def backup(path: Path, target: Path, *, verify: bool, without_keys: bool) -> None:
    """Back up the bridge, running or not, to TARGET: a folder, or one file when it ends in .tar.

    Stores, configuration and keys, with a manifest of their hashes. Overwrites nothing.
    """
    from pantau.cli import _bridge_backup

    if verify:
        _bridge_backup.check(target)
    else:
        _bridge_backup.back_up(path, target, keys=not without_keys)


@command.command()
@click.argument("source", metavar="BACKUP", type=click.Path(exists=True, path_type=Path))
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def restore(source: Path, folder: Path) -> None:
    """Verify BACKUP and put it back: the configuration into DIR, all else where that says. Overwrites nothing."""
    from pantau.cli import _bridge_backup

    _bridge_backup.restore(source, folder)


_prefix = click.option(
    "--prefix",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="ROOT",
    help="Write below ROOT and run nothing: for an image, or to look at it.",
)


@command.command()
@_prefix
@click.option("--user", default="pantau", show_default=True, help="The system user of the bridge.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
def install(prefix: Path | None, user: str, *, dry_run: bool) -> None:
    """Install the bridge as a service: user, /etc/pantau, /var/lib/pantau, systemd unit. Keeps configuration that is there."""
    from pantau.cli import _bridge_install

    _bridge_install.install(prefix, user, dry_run=dry_run)


@command.command()
@_prefix
def uninstall(prefix: Path | None) -> None:
    """Stop the service and remove its unit. Configuration, keys and data stay."""
    from pantau.cli import _bridge_install

    _bridge_install.uninstall(prefix)


@command.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def monitoring(folder: Path) -> None:
    """Write a Grafana dashboard, Prometheus alerting rules and an example scrape configuration into DIR."""
    names = ("grafana-dashboard.json", "prometheus-alerts.yml", "prometheus.yml")
    if there := [name for name in names if (folder / name).exists()]:
        raise UsageError(f"{folder} already has {', '.join(there)}; choose another folder or move them away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            durable.write(folder / name, files("pantau").joinpath("templates", name).read_text("utf-8"), mode=0o644)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from None
    click.echo(f"Wrote {', '.join(names)} to {folder}. Import the first in Grafana; Prometheus takes the others.")


def _broker(config: Config) -> str:
    """Return why the broker does not serve this bridge, "" when it does."""
    mqtt = config.mqtt.model_copy(update={"connect_timeout_s": min(_PROBE_S, config.mqtt.connect_timeout_s)})

    async def ask() -> None:
        await probe(config.bridge.city, mqtt, Inbox())

    try:
        asyncio.run(ask())
    except ConfigError:
        return ""  # a file that the check of the files names
    except (OSError, ValueError, SourceLost) as error:
        return explain(error, mqtt)
    return ""
