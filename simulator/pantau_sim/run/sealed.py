"""No clock and no chance but the scenario's: what our own code asks of the host in a run is refused, by name.

It guards against what a run cannot show by itself: code that reads the clock or draws a random number would give another report
on another day. Libraries may ask what they like (a log line has a time); results come from our code.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import random
import secrets
import time
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OURS = ("pantau", "pantau_sim", "pantau_wire")
# Modules that measure or serve the run itself and never what happens in it.
_OUTSIDE = ("pantau_sim.node", "pantau_sim.mpy", "pantau_sim.run.workers", "pantau_sim.run.run", "pantau.log")
_REFUSED: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (time, ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "sleep")),
    (random, ("random", "randint", "randrange", "choice", "choices", "sample", "shuffle", "uniform", "triangular")),
    (random, ("getrandbits", "randbytes", "gauss", "normalvariate", "expovariate", "seed")),
    (os, ("urandom",)),
    (secrets, ("token_bytes", "token_hex", "token_urlsafe", "randbits", "randbelow", "choice")),
    (uuid, ("uuid1", "uuid4")),
)


class NondeterminismError(Exception):
    """Simulated code asked the host for what no seed decides. The text names file, line and call."""


@contextlib.contextmanager
def sealed() -> Iterator[None]:
    """Refuse host time and host chance to our own modules inside the block."""
    kept = [(module, name, getattr(module, name)) for module, names in _REFUSED for name in names]
    for module, name, original in kept:
        setattr(module, name, _guard(f"{module.__name__}.{name}", original))
    try:
        yield
    finally:
        for module, name, original in kept:
            setattr(module, name, original)


def _guard(what: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        here = inspect.currentframe()
        frame = here.f_back if here is not None else None
        if frame is None:
            return original(*args, **options)
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in _OURS and module not in _OUTSIDE:
            raise NondeterminismError(
                f"{frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_qualname}) asks the host for {what}(): "
                "take the time of the simulation, or a number of its seed"
            )
        return original(*args, **options)

    return call
