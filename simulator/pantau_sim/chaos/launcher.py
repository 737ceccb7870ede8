"""Within the bridge's processes: wraps the functions of steps.py and the wall clock from the outside.

Python itself starts this: inject/sitecustomize.py is on the path of the processes under test, and of those that they start.
"""

from __future__ import annotations

import functools
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pantau_sim.chaos.control import Control
from pantau_sim.chaos.steps import STEPS, find

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "PANTAU_CHAOS"  # names the control file; without it nothing is wrapped


def install() -> None:
    """Wrap this process if it is one of a chaos run."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    control = Control(Path(path))
    _wrap_clock(control)
    for number, step in enumerate(STEPS, 1):
        holder, name, function = find(step)
        setattr(holder, name, _deadly(function, number, control, before=step.when == "before"))
    control.count_wrapped()


def _wrap_clock(control: Control) -> None:
    """Let wall time jump; monotonic time, as in the world, never does."""
    real_ns, real_s = time.time_ns, time.time
    time.time_ns = lambda: real_ns() + control.clock_ms * 1_000_000
    time.time = lambda: real_s() + control.clock_ms / 1000


def _deadly(function: Callable[..., Any], number: int, control: Control, *, before: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*values: Any, **named: Any) -> Any:
        if before:
            _pass(number, control)
        result = function(*values, **named)
        if not before:
            _pass(number, control)
        return result

    return wrapped


def _pass(number: int, control: Control) -> None:
    armed = control.armed
    if armed.step != number:
        return
    if armed.passes:
        control.arm(number, armed.passes - 1, group=armed.group)
        return
    control.arm(0)
    if armed.group:
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
