"""`pantau sensor list|decode|vectors`."""

from __future__ import annotations

import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pantau.cli import _hex
from pantau.cli import report as reports
from pantau.cli.report import FailedError, MissingError, UsageError
from pantau.sensors import judge as judging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau.sensors.judge import FileResult, Start

    Command = tuple[list[str], dict[str, str]]

_HEAP = "64M"  # whole vector files at once, as no node has them


def _sources() -> judging.Sources:
    import pantau_sim
    from pantau_sim.node import firmware_folder, wire_folder

    shim = Path(str(pantau_sim.__file__)).parent / "shims" / "cpython"
    return judging.Sources(firmware_folder(), wire_folder(), shim)


def _ask(*words: str) -> list[dict[str, object]]:
    try:
        events = judging.run(_sources(), *words)
    except judging.JudgeError as error:
        raise FailedError(str(error)) from None
    for event in events:
        if "error" in event:
            raise UsageError(str(event["error"]))
    return events


@click.group("sensor")
def command() -> None:
    """The sensors: what they give, what their bytes mean."""


@command.command("list")
def list_sensors() -> None:
    """Every sensor model with its bus, power, warm-up, range, readings and source."""
    for row in _ask("list"):
        click.echo(f"{row['model']}")
        properties = row["properties"]
        assert isinstance(properties, list)
        gives = ", ".join(f"{name} [{unit}]" for name, unit in properties)
        click.echo(textwrap.fill(gives, 110, initial_indent="  gives    ", subsequent_indent=" " * 11))
        click.echo(
            f"  bus      {row['bus']}; power {row['power']}; warm-up {row['warm_up_s']:g} s; range {row['range']}"
        )
        click.echo(f"  source   {row['source']}")


@command.command()
@click.argument("model")
@click.argument("hexadecimal", metavar="HEX", nargs=-1, required=True)
def decode(model: str, hexadecimal: tuple[str, ...]) -> None:
    """What the driver of MODEL makes of the bytes HEX: readings, or why they are refused.

    Exits 1 when nothing could be read from them.
    """
    found = False
    for event in _ask("decode", model, _hex.parse(" ".join(hexadecimal)).hex()):
        rows = event.get("rows")
        if isinstance(rows, list):
            found = True
            click.echo("   ".join(f"{name} {value} {unit} ({said})" for name, value, unit, said in rows))
        else:
            if event["refused"]:
                click.echo(f"{event['refused']} start(s) of a packet refused, the last for its {event['cause']}")
            if event["pending"]:
                click.echo(f"{event['pending']} bytes at the end are the beginning of a packet: send the rest")
    if not found:
        raise FailedError(f"no whole good packet of {model} in these bytes")


@command.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@reports.option
def vectors(folder: Path, report: Path | None) -> None:
    """Run every vector file in DIR through the drivers, on CPython and in the MicroPython VMs of 64 and of 32 bit.

    A vector passes when all give what it states. Exits 1 when one failed. The 32-bit VM is left out where it is not installed.
    """
    from pantau_sim.vm import MissingVmError

    try:
        others, missing = _vms()
        results = judging.judge(judging.find_files(folder), others, _sources())
    except MissingVmError as error:
        raise MissingError(str(error)) from None
    except judging.VectorFileError as error:
        raise UsageError(str(error)) from None
    except judging.JudgeError as error:
        raise FailedError(str(error)) from None
    ran = [judging.CPYTHON, *others]
    _tell(results, ran)
    if missing:
        click.echo(f"not run: {missing}")
    counts = {name: {"passed": r.passed, "failed": r.failed, "skipped": r.skipped} for name, r in results.items()}
    reasons = {
        name: [{"id": ident, "verdict": verdict, "reason": why} for ident, verdict, why in r.reasons]
        for name, r in results.items()
    }
    reports.write(report, {"files": counts, "reasons": reasons, "interpreters": ran, "not_run": missing})
    failed = sum(r.failed for r in results.values())
    if failed:
        raise FailedError(f"{failed} vector(s) failed")


def _vms() -> tuple[dict[str, Start], str]:
    """Return how each MicroPython is started, by name, and what the 32-bit one misses."""
    from pantau_sim.vm import MissingVmError, check_vm, find_vm, unix_command, vm32_command

    vm = find_vm()
    check_vm(vm)

    def unix(script: Path, words: Sequence[str], folders: Sequence[Path], _reads: Sequence[Path]) -> Command:
        return unix_command(vm, script, *words, paths=folders, heap=_HEAP)

    def wasm(script: Path, words: Sequence[str], folders: Sequence[Path], reads: Sequence[Path]) -> Command:
        return vm32_command(script, *words, paths=folders, mounts=reads, heap=_HEAP)

    try:
        vm32_command(Path())
    except MissingVmError as error:
        return {"MicroPython 64 bit": unix}, f"MicroPython 32 bit: {error}"
    return {"MicroPython 64 bit": unix, "MicroPython 32 bit": wasm}, ""


def _tell(results: dict[str, FileResult], ran: Sequence[str]) -> None:
    click.echo(f"{'file':24}{'passed':>8}{'failed':>8}{'skipped':>8}")
    for name, result in results.items():
        click.echo(f"{name:24}{result.passed:>8}{result.failed:>8}{result.skipped:>8}")
        for ident, verdict, why in result.reasons:
            if verdict == judging.FAILED:
                click.echo(f"    FAILED {ident}: {why}")
        skipped = Counter(why for _, verdict, why in result.reasons if verdict == judging.SKIPPED)
        for why, number in skipped.items():
            click.echo(f"    {number} skipped: {why}")
    total = [sum(getattr(r, kind) for r in results.values()) for kind in ("passed", "failed", "skipped")]
    click.echo(f"{'all':24}{total[0]:>8}{total[1]:>8}{total[2]:>8}")
    click.echo(f"on {', '.join(ran)}")
