"""`pantau demo`: a small city sensed live on this machine, without hardware."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from pantau.cli import report as reports
from pantau.cli.report import FailedError, MissingError

_INTERRUPTED = 130


def _verdicts(result: dict[str, Any]) -> list[tuple[bool, str]]:
    """Return (met, sentence) for each thing the demo promises."""
    return [
        (result["lost"] == 0, f"lost                 {result['lost']} of {result['records_sampled']} records sampled"),
        (result["records_stored"] > 0, f"stored               {result['records_stored']} records"),
        (result["duplicates"] == 0, f"stored twice         {result['duplicates']}"),
        (result["forged_rejected"] >= 1, f"forged and refused   {result['forged_rejected']}"),
    ]


def _tell(result: dict[str, Any]) -> None:
    click.echo()
    for met, sentence in _verdicts(result):
        click.echo(f"  {'ok ' if met else 'BAD'}  {sentence}")
    reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(result["quarantined_by_reason"].items()))
    click.echo(f"       quarantined          {result['quarantined']} ({reasons or 'nothing'})")
    click.echo(f"       sampled to stored    p50 {result['latency_p50_s']:.1f} s, p99 {result['latency_p99_s']:.1f} s")
    click.echo("       greatest error against the simulated world (counts: over the whole run)")
    for name, error in result["max_value_error"].items():
        click.echo(f"         {name:26} {error:g}")


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

    Exits 0 only if nothing was lost, nothing stored twice, every forgery refused and every part stopped clean.
    """
    from pantau_sim.demo import run as story
    from pantau_sim.demo.nats import MissingBrokerError
    from pantau_sim.vm import MissingVmError

    line_open = False

    def say(text: str) -> None:
        nonlocal line_open
        click.echo(("\r\x1b[K" if line_open else "") + text)
        line_open = False

    def progress(text: str) -> None:
        nonlocal line_open
        if sys.stdout.isatty():
            click.echo(f"\r\x1b[K         {text}", nl=False)
            line_open = True

    async def guarded(options: story.Options) -> dict[str, Any]:
        task = asyncio.ensure_future(story.run(options, say, progress))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        return await task

    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pantau-demo-")))
        if place.exists() and any(place.iterdir()):
            raise reports.UsageError(f"{place} is not empty: name a new folder with --keep")
        options = story.Options(nodes, seconds, story.listen_address(listen), place.resolve(), seed)
        try:
            result = asyncio.run(guarded(options))
        except asyncio.CancelledError:
            say("stopped; no report")
            raise SystemExit(_INTERRUPTED) from None
        except (MissingVmError, MissingBrokerError) as error:
            raise MissingError(str(error)) from None
        except (story.DemoError, RuntimeError) as error:
            if folder is None:
                stack.pop_all()  # the logs that the message names must outlive us
            raise FailedError(str(error)) from None
    say("")
    _tell(result)
    reports.write(report, result)
    if not all(met for met, _ in _verdicts(result)):
        raise FailedError(
            "the demo did not keep its promises; run it again with --keep FOLDER and look at the logs there"
        )
