"""`pantau node commission`: a station goes into service, on record."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pantau import durable
from pantau.cli.node import _commission_ask as asking
from pantau.cli.node._cable import cable, cable_options, interactive, key_of, key_options, load_keys
from pantau.cli.node._field import note, tell
from pantau.cli.report import FailedError, RefusedError, UsageError
from pantau.node import commissioning
from pantau.node.commissioning import MOST_BYTES, SAMPLES, Given, Seen
from pantau.node.sampling import samples, selftest
from pantau.node.words import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau.node.commissioning import Check
    from pantau.node.session import Key, Result, Session

_MODE = 0o644
_FIGURES = ("still", "clock", "tested")  # shown by the checks


@click.command("commission")
@cable_options
@key_options
@click.option("--who", metavar="NAME", help="Who commissions it.")
@click.option("--mount", metavar="METRES", type=asking.METRES, help="Sensor above the ground or bed below it.")
@click.option("--gauge", metavar="METRES", type=asking.METRES, help="What the staff gauge reads now.")
@click.option("--zero", metavar="METRES", type=asking.METRES, help="Sensor above the datum, where it was levelled.")
@click.option("--position", metavar="LAT,LON", type=asking.POSITION, help="Degrees, as -6.17840,106.63190.")
@click.option(
    "--photo", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="A picture of it."
)
@click.option("--note", "remark", default="", metavar="TEXT", help="Anything else.")
@click.option("--accept", metavar="REASON", help="Go on though a check fails; the reason is recorded.")
@click.option("--yes", is_flag=True, help="Ask nothing: what is not given is left out.")
@click.option("--dry-run", is_flag=True, help="Measure and check; send nothing. The clock is set all the same.")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The copy [commission-NODE-TIME.json].",
)
def command(
    port: str | None, as_json: bool, lang: str, wait: int, keys: Path | None, config: Path, who: str | None, mount: int | None,
    gauge: int | None, zero: int | None, position: tuple[float, float] | None, photo: Path | None, remark: str,
    accept: str | None, yes: bool, dry_run: bool, out: Path | None,
) -> None:  # fmt: skip
    """Measure, check and record the station, and put it into service: set-up mode ends with the signed record.

    Takes ten samples, which are sent like any other. What is not given is asked for. A check that fails says what to do.
    """
    present = interactive(as_json=as_json) and not yes
    known = load_keys(keys, config, lang)
    if not (who := (who or "").strip()) and not present:
        raise UsageError(say("commission.missing", lang))
    picture = None if photo is None else (photo.name, hashlib.sha256(photo.read_bytes()).hexdigest())
    given = Given(who, mount, gauge, zero, position, picture, remark)
    with cable(port, wait, lang) as session:
        key = key_of(known, session, lang)
        seen = survey(session, key, lang)
        if present:
            given = asking.rest(given, seen, lang)
        checked = commissioning.checks(given, seen, time.time(), lang)
        for check in checked:
            note(f"{'ok  ' if check.ok else 'FAIL'} {check.text}", as_json=as_json)
        reason = _accepted(checked, accept, lang, present=present)
        body = commissioning.record(given, seen, checked, reason, _when(seen))
        text = _checked_length(body, lang)
        told: dict[str, Any] = {"node": session.node, "record": body, "checks": [one._asdict() for one in checked]}
        if not as_json:
            click.echo(say("commission.show", lang) + "\n" + _shown(body))
        if dry_run:
            tell(told | {"ok": True, "sent": False}, say("commission.dry", lang), as_json=as_json)
            return
        if present and not yes and not click.confirm(say("commission.send", lang), err=True):
            raise FailedError(say("commission.stopped", lang))
        file = out or Path(f"commission-{session.node}-{body['when'].replace(':', '').replace('-', '')}.json")
        _keep(file, told)
        result = session.order(*_order(text), key)
        _keep(file, told | {"result": result._asdict()})
    if not result.ok:
        raise RefusedError(say("commission.refused", lang, detail=result.detail, file=file))
    done = told | {"ok": True, "sent": True, "detail": result.detail, "file": str(file)}
    tell(done, say("commission.done", lang, node=told["node"], file=file), as_json=as_json)


def survey(session: Session, key: Key, lang: str) -> Seen:
    """Set the clock where it is not set, then measure: self-test, samples, link."""
    set_by = ""
    if session.ask("hello").get("utc_ms") is None:
        result: Result = session.command("clock", {"utc_ms": round(time.time() * 1000)}, key)
        if not result.ok:
            raise RefusedError(say("commission.not_clock", lang, detail=result.detail))
        set_by = "laptop"
    with click.progressbar(length=SAMPLES + 1, label=say("commission.sampling", lang), file=sys.stderr) as bar:
        test = selftest(session)
        bar.update(1)
        taken = samples(session, SAMPLES, lambda: bar.update(1))
    seen = session.ask("seen")
    return Seen(session.ask("hello"), seen, test, taken, set_by)


def _accepted(checked: Sequence[Check], accept: str | None, lang: str, *, present: bool) -> str:
    """Return why failed checks are accepted; FailedError where they are not."""
    failed = [one.name for one in checked if not one.ok]
    if not failed:
        return ""
    reason = (accept or "").strip()
    if not reason and present:
        reason = click.prompt(say("commission.ask_accept", lang), default="", show_default=False, err=True).strip()
    if not reason:
        raise FailedError(say("commission.failed", lang, count=len(failed), names=", ".join(failed)))
    return reason


def _when(seen: Seen) -> str:
    """Return the node's time, which the record is signed with; this computer's where it has none."""
    utc_ms = seen.hello.get("utc_ms")
    return datetime.fromtimestamp(utc_ms / 1000 if utc_ms else time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _checked_length(body: dict[str, Any], lang: str) -> str:
    text = commissioning.text(body)
    if (size := len(text.encode())) > MOST_BYTES:
        raise UsageError(say("commission.too_long", lang, size=size, most=MOST_BYTES))
    return text


def _shown(body: dict[str, Any]) -> str:
    rows = ((name, value) for name, value in body.items() if name not in _FIGURES)
    return "\n".join(f"  {name:<12}{value if isinstance(value, str) else json.dumps(value)}" for name, value in rows)


def _keep(file: Path, told: dict[str, Any]) -> None:
    try:
        durable.write(file, json.dumps(told, indent=1, ensure_ascii=False) + "\n", mode=_MODE)
    except OSError as error:
        raise FailedError(f"{file}: {error.strerror}") from None


def _order(text: str) -> tuple[int, dict[str, Any]]:
    from pantau_wire import names as T

    return T.K_COMMAND, {"name": "commission", "args": text}
