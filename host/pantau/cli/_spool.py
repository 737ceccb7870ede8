"""The spool as commands use it: beside a running bridge or without one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pantau.cli.report import FailedError, UsageError
from pantau.problems import ConfigError
from pantau.spool import SpoolBroken, SpoolUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau.config import Config
    from pantau.spool import Spool


@contextlib.contextmanager
def opened(config: Config, *, create: bool = False) -> Iterator[Spool]:
    """Give the spool of a configuration, with its trouble told as a failed command."""
    from pantau.bridge import open_spool

    if not create and not config.spool_path.exists():
        raise UsageError(f"{config.spool_path} does not exist: this bridge has never run")
    try:
        with contextlib.closing(open_spool(config)) as spool:
            yield spool
    except (SpoolUnavailable, SpoolBroken) as error:
        raise FailedError(str(error)) from None


@contextlib.contextmanager
def sole_owner(config: Config) -> Iterator[bool]:
    """Hold the data folder; give False when a bridge runs on it and the folder is not ours."""
    from pantau.owner import sole_owner as owner

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(owner(config.bridge.data_dir))
            ours = True
        except ConfigError as error:
            if not any("another bridge runs" in problem.message for problem in error.problems):
                raise
            ours = False
        yield ours
