"""Options of the commands that read a bridge's pantau.toml."""

from __future__ import annotations

from pathlib import Path

import click

config_option = click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("pantau.toml"),
    show_default=True,
    help="The bridge's configuration.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
