"""`pantau fleet release`: compile the application, build and sign its bundle, and put it into the book."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pantau.cli._config import config_option
from pantau.cli.fleet._book import now_ms, opened, who
from pantau.cli.fleet._fleet import folder_option, passphrase, phrase_option, told
from pantau.cli.node._field import json_option, tell
from pantau.cli.report import FailedError, MissingError, UsageError

if TYPE_CHECKING:
    from pantau.fleet.rows import Release

_FILES = 90  # that are compiled, about


@click.command("release")
@config_option
@folder_option
@phrase_option
@click.argument("build", required=False, type=click.Path(file_okay=False, exists=True, path_type=Path))
@click.option("--version", help="For people; left out: what the application says.")
@click.option("--release", "number", type=click.IntRange(1), help="Left out: one more than the last.")
@click.option("--min-release", type=click.IntRange(0), default=0, show_default=True, help="Older nodes refuse it.")
@click.option("--key", type=click.IntRange(0, 1), default=0, show_default=True, help="Which release key signs.")
@click.option("--note", default="", help="What is new, for the history.")
@json_option
@told
def command(
    path: Path, folder: Path, passphrase_file: Path | None, build: Path | None, version: str | None, number: int | None,
    min_release: int, key: int, note: str, as_json: bool,
) -> None:  # fmt: skip
    """Make a release of this installation's application, or of the compiled one in the folder BUILD.

    It is signed twice: as an update, and as the way back that nodes take when a later release is halted. The keys stay in the
    fleet's folder; the bridge needs none of them. Next: pantau fleet rollout NUMBER.
    """
    from pantau.fleet import bundle, files
    from pantau.fleet.rows import Release

    fleet = files.load(folder)
    signer = fleet.release_key(key, passphrase(passphrase_file))
    with opened(path) as (_, book), tempfile.TemporaryDirectory() as work:
        last = max((one.release for one in book.releases()), default=0)
        release = number or last + 1
        if release <= last:
            raise UsageError(f"release {release} is not later than {last}, the last one: nodes would refuse it")
        source, said = (build, "") if build is not None else _compiled(Path(work))
        named = version or said
        if not named:
            raise UsageError("name its --version")
        try:
            pair = [
                bundle.sign(
                    bundle.build(source, version=named, release=release, min_release=0 if back else min_release, rollback=back),
                    signer, key,
                )
                for back in (False, True)
            ]  # fmt: skip
            read = [bundle.read(data) for data in pair]
        except bundle.BundleError as error:
            raise FailedError(str(error)) from None
        if not all(bundle.verify(one, [bytes.fromhex(key) for key in fleet.trust]) for one in read):
            raise FailedError("what was signed does not fit trust.json: no node of this fleet would take it")
        made = Release(release, named, who(), now_ms(), note)
        book.add_release(made, (read[0].ident, pair[0]), (read[1].ident, pair[1]))
    tell(_result(made, read[0].ident, len(pair[0])), _said(made, read[0].ident, len(pair[0])), as_json=as_json)


def _result(made: Release, ident: int, size: int) -> dict[str, object]:
    return made._asdict() | {"bundle": f"{ident:08x}", "bytes": size}


def _said(made: Release, ident: int, size: int) -> str:
    what = (
        f"Release {made.release} (version {made.version}): bundle {ident:08x}, {size:,} bytes, signed and in the book."
    )
    return f"{what}\nNext: pantau fleet rollout {made.release}"


def _compiled(place: Path) -> tuple[Path, str]:
    """Compile the application of this installation into a folder; return it and the version."""
    from pantau.node import mpy

    try:
        with click.progressbar(length=_FILES, label="compiling", file=sys.stderr) as bar:
            made = mpy.application("", lambda: bar.update(1))
    except mpy.MissingCompilerError as error:
        raise MissingError(str(error)) from None
    except mpy.FirmwareError as error:
        raise FailedError(str(error)) from None
    except subprocess.CalledProcessError as error:
        raise FailedError(f"the application does not compile: {error.stderr}") from None
    for name, data in made.slot.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return place, made.version
