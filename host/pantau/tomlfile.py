"""A TOML file that a person wrote."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from pantau.problems import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path


def read_toml(path: Path) -> dict[str, object]:
    """Return the tables of `path`; ConfigError says why it cannot be read, with the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"cannot be read ({error.strerror}); `pantau bridge init DIR` writes a set of files to start from"
    except UnicodeDecodeError:
        problem = "is not UTF-8; save it as UTF-8"
    except ValueError as error:  # TOMLDecodeError is one, and so is a number of five thousand digits
        problem = f"is not TOML: {error}"
    except RecursionError:
        problem = "is nested too deeply to be meant"
    raise ConfigError([Problem(str(path), "", problem)])
