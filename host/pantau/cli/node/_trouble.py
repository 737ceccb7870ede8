"""Trouble with a board becomes an exit code and a sentence in the technician's language."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pantau.cli.report import FailedError, MissingError, RefusedError, UnreachedError
from pantau.node import trouble
from pantau.node.mpy import FirmwareError, MissingCompilerError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def told(lang: str) -> Iterator[None]:
    """Turn what pantau.node raises into what the command line ends with."""
    try:
        yield
    except trouble.UnreachedError as error:
        raise UnreachedError(error.said(lang)) from None
    except trouble.RefusedError as error:
        raise RefusedError(error.said(lang)) from None
    except MissingCompilerError as error:
        raise MissingError(str(error)) from None
    except FirmwareError as error:
        raise FailedError(str(error)) from None
