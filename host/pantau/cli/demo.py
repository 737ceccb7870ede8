"""`pantau demo`: a small city sensed live on this machine, without hardware."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import tempfile
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click

from pantau.cli import report as reports
from pantau.cli.report import FailedError, MissingError, UsageError

_INTERRUPTED = 130
_PORTS = range(1, 65536)


def _verdicts(result: dict[str, Any]) -> list[tuple[bool, str]]:
    """Return (met, sentence) for each thing the demo promises."""
    sampled, held = result["records_sampled"], result["records_held"]
    return [
        (result["lost"] == 0, f"lost                 {result['lost']} of {sampled} records sampled"),
        (
            result["records_stored"] > 0,
            f"stored               {result['records_stored']} records, {held} still in nodes",
        ),
        (result["duplicates"] == 0, f"stored twice         {result['duplicates']}"),
        (result["records_unexplained"] == 0, f"never sampled        {result['records_unexplained']}"),
        (result["forged_rejected"] >= 1, f"forged and refused   {result['forged_rejected']}"),
        *((False, sentence) for sentence in result["wrong"]),
    ]


def _tell(result: dict[str, Any]) -> None:
    for met, sentence in _verdicts(result):
        click.echo(f"  {'ok ' if met else 'BAD'}  {sentence}")
    reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(result["quarantined_by_reason"].items()))
    click.echo(f"       quarantined          {result['quarantined']} ({reasons or 'nothing'})")
    click.echo(f"       bad packets caught   {result['bad_packets_caught']} of {result['bad_packets_injected']}")
    click.echo(f"       sampled to bridge    p50 {result['latency_p50_s']:.1f} s, p99 {result['latency_p99_s']:.1f} s")
    click.echo("       greatest error against the simulated world (counts: of the whole run)")
    for name, error in result["max_value_error"].items():
        click.echo(f"         {name:26} {error:g}")


def _listen(text: str | None) -> str:
    """Return HOST:PORT for the page, checked to be free; without one, a free port of loopback."""
    host, _, port = (text or "127.0.0.1:0").rpartition(":")
    if text and (not host or not port.isdecimal() or int(port) not in _PORTS):
        raise UsageError(f"--http {text}: give HOST:PORT with a port of 1 to 65535, such as 127.0.0.1:8080")
    try:
        with socket.create_server((host.strip("[]"), int(port)), family=_family(host)) as probe:
            return f"{host}:{probe.getsockname()[1]}"
    except OSError as error:
        raise UsageError(
            f"--http {text}: {error.strerror or error}; choose another address or stop what is there"
        ) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if host.startswith("[") else socket.AF_INET


def _reachable_by_others(listen: str) -> bool:
    try:
        return not ip_address(listen.rpartition(":")[0].strip("[]")).is_loopback
    except ValueError:
        return not listen.startswith("localhost:")


def _make_folder(folder: Path | None) -> Path:
    """Return the folder for everything the demo writes: new and empty."""
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="pantau-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty: name a new folder with --keep")
    except OSError as error:
        raise UsageError(f"--keep {folder}: {error.strerror}; name a folder that can be made and written") from None
    return folder.resolve()


class _Terminal:
    """Lines for people, and one line of progress that is written over where there is a terminal."""

    def __init__(self) -> None:
        self._open = False

    def say(self, text: str) -> None:
        click.echo(("\r\x1b[K" if self._open else "") + text)
        self._open = False

    def progress(self, text: str) -> None:
        if sys.stdout.isatty():
            click.echo(f"\r\x1b[K         {text}", nl=False)
            self._open = True


@click.command("demo")
@click.option("--nodes", type=click.IntRange(1, 60), default=6, show_default=True, help="How many nodes.")
@click.option("--seconds", type=click.IntRange(12, 86_400), default=45, show_default=True, help="How long, roughly.")
@click.option("--http", "listen", metavar="HOST:PORT", help="Where the page is served [a free port of loopback].")
@click.option(
    "--keep", "folder", type=click.Path(path_type=Path), help="Keep everything that was written in this folder."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The world's seed.")
@reports.option
def command(nodes: int, seconds: int, listen: str | None, folder: Path | None, seed: int, report: Path | None) -> None:
    """A small city sensed live: real firmware, real broker, real bridge, simulated sensors and world.

    Exits 0 only if nothing was lost, nothing stored twice, every forgery refused, every value near the simulated truth and
    every part stopped clean.
    """
    from pantau_sim.demo import run as story
    from pantau_sim.demo.nats import MissingBrokerError
    from pantau_sim.node import NodeError
    from pantau_sim.vm import MissingVmError

    page = _listen(listen)
    place = _make_folder(folder)
    terminal = _Terminal()
    if _reachable_by_others(page):
        terminal.say(f"note     whoever reaches {page} can read the page: the demo's public reading is on")
    keep = folder is not None
    try:
        options = story.Options(nodes, seconds, page, place, seed)
        result = asyncio.run(story.run(options, terminal.say, terminal.progress))
    except asyncio.CancelledError:
        terminal.say("stopped; no report")
        raise SystemExit(_INTERRUPTED) from None
    except (MissingVmError, MissingBrokerError) as error:
        raise MissingError(str(error)) from None
    except (story.DemoError, NodeError, OSError, RuntimeError) as error:
        keep = True  # the logs that the message names must outlive us
        terminal.say("")
        raise FailedError(f"{error}\nEverything that was written is in {place}") from None
    finally:
        if not keep:
            shutil.rmtree(place, ignore_errors=True)
    terminal.say("")
    _tell(result)
    reports.write(report, result)
    if not all(met for met, _ in _verdicts(result)):
        raise FailedError(
            "the demo did not keep its promises; run it again with --keep FOLDER and look at the logs there"
        )
