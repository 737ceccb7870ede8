"""`pantau access list`: who may log in, and which tokens there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pantau.cli._config import config_option, json_option
from pantau.cli.access._common import opened
from pantau.web.geojson import iso

if TYPE_CHECKING:
    from pathlib import Path


@click.command("list")
@config_option
@json_option
def command(path: Path, as_json: bool) -> None:
    """List people and tokens. No secret is kept, so none is shown."""
    with opened(path) as store:
        people, tokens = store.people(), store.tokens()
    rows = [
        {"kind": "person", "name": one.name, "role": one.role.name.lower(), "created": iso(one.created_ms)} for one in people
    ] + [
        {
            "kind": "token", "id": one.id, "name": one.name, "role": one.role.name.lower(), "created": iso(one.created_ms),
            "expires": iso(one.expires_ms), "used": iso(one.used_ms),
        }
        for one in tokens
    ]  # fmt: skip
    for row in rows:
        if as_json:
            click.echo(json.dumps(row))
        elif row["kind"] == "person":
            click.echo(f"{row['name']:<32}  {row['role']}")
        else:
            ends = f"until {str(row['expires'])[:10]}" if row["expires"] else "for ever"
            used = f"last used {str(row['used'])[:10]}" if row["used"] else "never used"
            click.echo(f"token {row['id']:<4} {row['name']:<21}  {row['role']:<8}  {ends}, {used}")
    if not rows and not as_json:
        click.echo("nobody may log in: pantau access add NAME --role operator")
