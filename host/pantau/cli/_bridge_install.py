"""`pantau bridge install` and `uninstall`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pantau.cli.report import FailedError
from pantau.ops import install as installs


def install(prefix: Path | None, user: str, *, dry_run: bool) -> None:
    """Install, or say what would be done."""
    executable = Path(sys.executable).with_name("pantau")
    try:
        steps = installs.plan(user, executable, prefix)
        for said in [step.told() for step in steps] if dry_run else installs.take(steps, prefix):
            click.echo(said)
    except installs.InstallError as error:
        raise FailedError(str(error)) from None
    if dry_run:
        return
    config = installs.CONFIG / "pantau.toml"
    click.echo(
        f"Next: edit {config} and registry.toml beside it; sudo -u {user} {executable} bridge check -c {config}; "
        f"systemctl enable --now {installs.SERVICE}"
    )


def uninstall(prefix: Path | None) -> None:
    """End the service; leave what cannot be had again."""
    try:
        done = installs.remove(prefix)
    except installs.InstallError as error:
        raise FailedError(str(error)) from None
    for said in done:
        click.echo(said)
    left = ", ".join(str(installs.below(prefix, path)) for path in (installs.CONFIG, installs.DATA))
    click.echo(
        f"Left as they are, with keys and data: {left}; and the system user. Remove them by hand when you are sure."
    )
