"""`pantau node pull`: what a node without a network holds, into a file for the bridge."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pantau.cli.node._cable import cable, cable_options, key_of, key_options, load_keys
from pantau.cli.node._field import tell
from pantau.cli.report import FailedError, RefusedError, UsageError
from pantau.node.pulling import PullError, PullFile, pull
from pantau.node.words import say


@click.command("pull")
@cable_options
@key_options
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="The file [pull-NODE.jsonl]."
)
@click.option("--flush", is_flag=True, help="First let the node seal its open batch; this needs its key.")
def command(
    port: str | None, as_json: bool, lang: str, wait: int, keys: Path | None, config: Path, out: Path | None, flush: bool
) -> None:  # fmt: skip
    """Copy every frame that the node holds into FILE, for `pantau replay`. The node keeps all of them.

    The same command goes on where an earlier one stopped, or adds what is new.
    """
    known = load_keys(keys, config, lang) if flush else None
    with cable(port, wait, lang) as session:
        if known is not None:
            result = session.command("flush", {}, key_of(known, session, lang))
            if not result.ok:
                raise RefusedError(say("look.refuses", lang, detail=result.detail))
        node = session.node
        path = out or Path(f"pull-{node}.jsonl")
        held = int(session.ask("seen").get("frames", 0))
        try:
            with (
                PullFile(path, node) as file,
                click.progressbar(length=max(1, held), label=say("look.pulling", lang), file=sys.stderr) as bar,
            ):
                done = pull(session, file, bar.update)
        except PullError as error:
            raise UsageError(str(error)) from None
        except OSError as error:
            raise FailedError(say("look.disk", lang, file=path, reason=error.strerror)) from None
    told = {"node": node, "file": str(path), "new": done.new, "had": done.had, "left": done.left, "held": held}
    said = say("look.pulled", lang, node=node, file=path, new=done.new, had=done.had)
    if done.left:
        said += "\n" + say("look.unread", lang, left=done.left)
    tell(told, said, as_json=as_json)
