"""`pantau node setup`: from a board in a bag to a station in service, step by step; or a crate of boards, one after another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pantau.cli.fleet._fleet import told as fleet_told
from pantau.cli.node import _commission_ask as asking
from pantau.cli.node._cable import Duration, interactive
from pantau.cli.node._field import field_options, note, tell
from pantau.cli.node._provision_ask import Wanted, wanted_options
from pantau.cli.node._setup_steps import STEPS, How, Wizard
from pantau.cli.node._trouble import told
from pantau.cli.report import FailedError
from pantau.node import batch
from pantau.node.batch import Ledger, Outcome, Row
from pantau.node.ports import choose, find_ports
from pantau.node.trouble import RefusedError, UnreachedError
from pantau.node.words import say

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_WAIT_S, _DAY_S = 600, 86400
_COMMISSIONING = ("who", "mount", "gauge", "zero", "position", "photo", "remark", "accept")
_IN_A_CRATE = tuple(name for name in STEPS if name != "commission")


@click.command("setup")
@field_options
@wanted_options
@click.option("--image", type=_FILE, metavar="FILE", help="The MicroPython image (.bin) for a blank chip.")
@click.option("--who", metavar="NAME", help="Who commissions it, now and here; left out with --yes: it is not.")
@click.option("--mount", metavar="METRES", type=asking.METRES, help="Sensor above the ground or bed below it.")
@click.option("--gauge", metavar="METRES", type=asking.METRES, help="What the staff gauge reads now.")
@click.option("--zero", metavar="METRES", type=asking.METRES, help="Sensor above the datum.")
@click.option("--position", metavar="LAT,LON", type=asking.POSITION, help="Degrees, as -6.17840,106.63190.")
@click.option("--photo", type=_FILE, metavar="FILE", help="A picture of it.")
@click.option("--note", "remark", default="", metavar="TEXT", help="Anything else.")
@click.option("--accept", metavar="REASON", help="Commission it though a check fails; the reason is recorded.")
@click.option("--batch", "crate", type=_FILE, metavar="FILE.csv", help=f"One board a row: {', '.join(batch.COLUMNS)}.")
@click.option(
    "--next", "patience", type=Duration(1, _DAY_S), default=_WAIT_S, metavar="TIME",
    help="How long to wait for the next board of a crate [10m].",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Ask nothing: what is not given has its default.")
@fleet_told
def command(
    port: str | None, as_json: bool, lang: str, image: Path | None, crate: Path | None, patience: int, yes: bool, **options: Any
) -> None:  # fmt: skip
    """Flash, install, provision, test and commission one board. What is done already is passed over.

    It can be left at any time, by Ctrl-C or by pulling the cable; the same command goes on from there.
    """
    commissioning = {name: options.pop(name) for name in _COMMISSIONING}
    present = interactive(as_json=as_json) and not yes
    how = How(image, Wanted(**options), commissioning, lang, as_json, present)
    with told(lang):
        if crate is not None:
            _crate(crate, how, patience)
            return
        result = Wizard(choose(port, find_ports()), how).run()
    key = "setup.done" if result["in_service"] else "setup.ready"
    tell(result, say(key, lang, node=result["node"], station=result["station"]), as_json=as_json)


def _crate(file: Path, how: How, patience_s: int) -> None:
    """Make a node of each board that comes. FailedError where one did not become one."""
    rows = batch.parse(file.read_text(encoding="utf-8"))
    ledger = Ledger(file.with_name(file.name + ".done.json"))
    seen, ways = ledger.serials(), {row.name: _of(row, how) for row in rows}
    for number, row in enumerate(rows, 1):
        if ledger.done(row):
            continue
        note(say("setup.batch_next", how.lang, n=number, m=len(rows), row=row.name), as_json=how.as_json)
        try:
            at = batch.next_board(seen, patience_s)
        except UnreachedError as error:
            note(error.said(how.lang), as_json=how.as_json)
            break
        seen.add(at.serial)
        outcome = _one(row, Wizard(at, ways[row.name]))
        ledger.note(outcome)
        key = "setup.batch_good" if outcome.ok else "setup.batch_bad"
        note(say(key, how.lang, **outcome._asdict()), as_json=how.as_json)
    outcomes = [ledger.outcomes[row.name] for row in rows if row.name in ledger.outcomes]
    good = sum(one.ok for one in outcomes)
    figures = {"good": good, "bad": len(outcomes) - good, "left": len(rows) - len(outcomes), "m": len(rows)}
    summary = say("setup.batch_summary", how.lang, **figures)
    tell({**figures, "boards": [one._asdict() for one in outcomes]}, summary, as_json=how.as_json)
    if good < len(rows):
        raise FailedError(say("setup.batch_again", how.lang))


def _of(row: Row, how: How) -> How:
    """Return how a row's board is set up: its columns before the options, and nobody is asked."""
    given: dict[str, Any] = dict(row.columns)
    if "sensors" in given:
        given["sensors"] = tuple(given["sensors"].split(";"))
    if "wifi_password_file" in given:
        given["wifi_password_file"] = Path(given["wifi_password_file"])
    if "interval" in given:
        if not given["interval"].isdecimal() or not 1 <= int(given["interval"]) <= _DAY_S:
            raise RefusedError("setup.batch_number", line=row.line)
        given["interval"] = int(given["interval"])
    return how._replace(wanted=how.wanted._replace(**given), present=False, steps=_IN_A_CRATE)


def _one(row: Row, wizard: Wizard) -> Outcome:
    """Set up one board; what goes wrong with it does not stop the others."""
    try:
        with told(wizard.how.lang):
            result = wizard.run()
    except click.ClickException as error:
        return Outcome(row.name, ok=False, serial=wizard.port.serial, node=wizard.node, said=error.message)
    return Outcome(row.name, ok=True, serial=wizard.port.serial, node=result["node"])
