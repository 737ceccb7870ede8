"""`pantau replay`: frames from files through the gate, spans of the log to the sinks once more, quarantine tried again."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pantau import again
from pantau import config as config_file
from pantau import keys as key_file
from pantau import registry as registry_file
from pantau.cli import quarantine
from pantau.cli._spool import opened, sole_owner
from pantau.cli.report import FailedError, UsageError
from pantau.ingest import Ingest
from pantau.refusals import REASONS
from pantau.sources import replay

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pantau.config import Config
    from pantau.spool import Spool

_POLL_S = 0.2
_PATIENCE_S = 30.0  # without any progress of the running bridge
_SAY_AFTER_S = 1.0
_SPAN = re.compile(r"(\d{1,18})-(\d{1,18})")
_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


@click.command("replay")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--spool", "span", metavar="A-B", help="Frames A to B of the log, to the sinks once more.")
@click.option("--since", type=_TIME, help="Frames of the log received from this time on (UTC), to the sinks once more.")
@click.option("--until", type=_TIME, help="... and received before this time (UTC).")
@click.option("--sink", help="Only to this sink; else to all.")
@click.option(
    "--quarantine", "refused", is_flag=True, help="Everything in the quarantine; see also pantau quarantine replay."
)
@click.option("-c", "--config", "path", type=click.Path(dir_okay=False, path_type=Path), default=Path("pantau.toml"),
    show_default=True, help="The bridge's configuration.")  # fmt: skip
@click.pass_context
def command(
    ctx: click.Context, files: tuple[Path, ...], span: str | None, since: datetime | None, until: datetime | None,
    sink: str | None, refused: bool, path: Path,
) -> None:  # fmt: skip
    """Feed frames in again: from FILEs, from the log, or from the quarantine. What is known already changes nothing.

    A FILE is a pull file, a recorded serial line, or `mosquitto_sub -F '%t %x'`. Exit 1 when some of it
    was refused or could not be read.
    """
    logged = span is not None or since is not None or until is not None
    if bool(files) + logged + refused != 1:
        raise UsageError("say what to replay: one or more FILE, or --spool A-B or --since and --until, or --quarantine")
    if sink is not None and not logged:
        raise UsageError(
            "--sink goes with --spool, --since or --until: frames from files and quarantine go to all sinks"
        )
    if refused:
        ctx.invoke(quarantine.replay, path=path, numbers=(), everything=True, reason=None)
        return
    config = config_file.load(path)
    if logged:
        _ask(config, span, (since, until), sink)
    else:
        _tell(_feed(config, files))


# --- files


def _feed(config: Config, files: Iterable[Path]) -> dict[str, Any]:
    """Return the tally of the frames in `files`: judged here when no bridge runs on the folder, else by that bridge."""
    with sole_owner(config) as ours:
        if not ours:
            return _through_bridge(config, files)
        with opened(config, create=True) as spool:
            registry = registry_file.load(config.bridge.registry)
            keys = key_file.load(config.bridge.keys, config.bridge.keys_secret)
            ingest = Ingest(config.bridge.city, registry, keys, spool)
            tally, progress = replay.Tally(), _Progress()
            for batch in replay.batches(_messages(config, files)):
                tally.add(batch, replay.store(ingest, spool, replay.good(batch)))
                progress.show(tally.counts["frames"])
        return tally.as_json(done=True)


def _messages(config: Config, files: Iterable[Path]) -> Iterator[replay.Message]:
    for path in files:
        try:
            with path.open("rb") as file:
                for message in replay.read(file, config.bridge.city):
                    yield message._replace(error=f"{path}: {message.error}") if message.error else message
        except OSError as error:
            raise FailedError(f"{path} cannot be read ({error.strerror}); what came before it was taken") from None


def _through_bridge(config: Config, files: Iterable[Path]) -> dict[str, Any]:
    """Leave the frames to the running bridge and wait for what it makes of them."""
    unreadable = replay.Tally()

    def readable() -> Iterator[replay.Message]:
        for message in _messages(config, files):
            if message.error:
                unreadable.add([message], [])
            else:
                yield message

    folder = config.bridge.data_dir / replay.FOLDER
    try:
        request = replay.hand_over(folder, readable())
    except OSError as error:
        raise UsageError(f"{folder} cannot be written ({error.strerror}); run this as the bridge's user") from None
    found = _wait(request)
    request.forget()
    found["unreadable"] += unreadable.counts["unreadable"]
    found["first_error"] = unreadable.first_error or found["first_error"]
    return found


def _wait(request: replay.Request) -> dict[str, Any]:
    progress, seen, since = _Progress(), -1, time.monotonic()
    while (found := request.state()) is None or not found["done"]:
        count = found["frames"] + found["unreadable"] if found else -1
        if count != seen:
            seen, since = count, time.monotonic()
            progress.show(max(count, 0))
        if time.monotonic() - since > _PATIENCE_S:
            raise FailedError(
                f"the bridge has taken nothing for {_PATIENCE_S:.0f} s; the frames wait for it. "
                "See `pantau bridge status` and its log"
            )
        time.sleep(_POLL_S)
    return found


class _Progress:
    """A line on the terminal for what takes longer than a second."""

    def __init__(self) -> None:
        self._at = time.monotonic() + _SAY_AFTER_S

    def show(self, frames: int) -> None:
        """Say how far we are, once a second."""
        if time.monotonic() >= self._at:
            self._at = time.monotonic() + _SAY_AFTER_S
            click.echo(f"{frames} frames so far", err=True)


def _tell(found: dict[str, Any]) -> None:
    said = f"{found['frames']} frames: {found['new']} new, {found['known']} known before, {found['refused']} refused"
    click.echo(said)
    for reason, count in sorted(found["reasons"].items()):
        click.echo(f"  {count} {reason}: {REASONS.get(reason, '')}")
    wrong = []
    if found["unreadable"]:
        wrong.append(f"{found['unreadable']} places could not be read, the first: {found['first_error']}")
    if found["refused"] > found["reasons"].get("elsewhere", 0):
        wrong.append("what was refused is in the quarantine: pantau quarantine list")
    elif found["refused"]:
        wrong.append("what other bridges hold was not taken: replay the same at each of them")
    if not found["frames"] and not wrong:
        wrong.append(
            "no frame was found: a FILE is a pull file, a recorded serial line, or from mosquitto_sub -F '%t %x'"
        )
    if wrong:
        raise FailedError("; ".join(wrong))


# --- spans of the log


def _ask(config: Config, span: str | None, times: tuple[datetime | None, datetime | None], sink: str | None) -> None:
    """Note for each sink what it is to get once more; its follower serves that, now or when the bridge starts."""
    if span is not None and times != (None, None):
        raise UsageError("give --spool A-B or times, not both")
    known = [name for name in type(config.sinks).model_fields if getattr(config.sinks, name) is not None]
    if config.cluster is not None:
        raise UsageError("with [cluster] sinks follow the shared log, and spans are of a bridge's own log")
    if sink is not None and sink not in known:
        raise UsageError(f"there is no sink {sink}; this bridge has {', '.join(known)}")
    with opened(config) as spool:
        wanted = _span(spool, span, times)
        for name in [sink] if sink is not None else known:
            again.ask(spool, name, wanted)
    sinks = sink or ", ".join(known)
    frames = f"frames {wanted.first} to {wanted.last} ({wanted.last - wanted.first + 1}) for {sinks}"
    with sole_owner(config) as ours:
        when = "when the bridge starts" if ours else "by the running bridge"
    click.echo(f"{frames}: delivered once more {when}")


def _span(spool: Spool, text: str | None, times: tuple[datetime | None, datetime | None]) -> again.Span:
    """Return what was asked for, as far as the log holds it."""
    oldest = spool.oldest
    if oldest is None:
        raise UsageError("the log is empty: there is nothing to replay")
    first, last = oldest[0], spool.last_id
    if text is not None:
        found = _SPAN.fullmatch(text)
        if found is None:
            raise UsageError(f"--spool {text}: give two ids of frames, as 1000-2000; the log holds {first} to {last}")
        asked = again.Span(int(found[1]), int(found[2]))
    else:
        after, before = (None if t is None else int(t.replace(tzinfo=UTC).timestamp() * 1000) for t in times)
        asked = again.Span(
            first if after is None else spool.held_at(after) + 1, last if before is None else spool.held_at(before)
        )
    wanted = again.Span(max(first, asked.first), min(last, asked.last))
    if wanted.first > wanted.last:
        raise UsageError(f"no frame lies there; the log holds frames {first} to {last}")
    return wanted
