"""The steps of a commit and of a delivery, by the functions of the bridge that stand at them.

The only place that knows these names. tests/scenarios/test_chaos.py fails when one of them no longer exists.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Step(NamedTuple):
    """A place to die: `when` the function `path` of `module` is entered (before) or has returned (after)."""

    name: str
    module: str
    path: str
    when: Literal["before", "after"]
    starting: bool = False  # reached only by a bridge that starts

    @property
    def behind(self) -> bool:
        """Return whether it stands behind the acknowledgement: then recovery is seen in the city store."""
        return self.module.startswith(("pantau.sinks", "pantau.alerts", "pantau.followers"))


STEPS = (
    # the first process: from arrival to acknowledgement
    Step("opening", "pantau.spool", "Spool.__init__", "after", starting=True),
    Step("recovering", "pantau.ingest", "Ingest._recover", "before", starting=True),
    Step("before_judge", "pantau.intake", "Intake.store", "before"),
    Step("after_judge", "pantau.intake", "Intake._commit", "before"),
    Step("frames_written", "pantau.spool", "Spool._save_frames", "after"),
    Step("windows_written", "pantau.spool", "Spool._save_boots", "after"),
    Step("in_transaction", "pantau.spool", "_Transaction.__exit__", "before"),
    Step("after_commit", "pantau.spool", "Spool.commit", "after"),
    Step("before_puback", "pantau.pipeline", "confirm", "before"),
    Step("after_puback", "pantau.pipeline", "confirm", "after"),
    Step("acks_made", "pantau.intake", "Intake.acks", "after"),
    # the second: from the log to the sinks. Not pantau.city itself: Python runs that as __main__, a copy that nobody can wrap.
    Step("sink_opening", "pantau.sinks.sqlite", "CityStore.__init__", "after", starting=True),
    Step("sink_in_transaction", "pantau.sinks.sqlite", "CityStore._apply", "after"),
    Step("sink_committed", "pantau.sinks.sqlite", "CityStore.deliver", "after"),
    Step("alerts_committed", "pantau.alerts.store", "AlertStore.deliver", "after"),
    Step("before_cursor", "pantau.followers", "FollowerStore.save", "before"),
    Step("after_cursor", "pantau.followers", "FollowerStore.save", "after"),
)


def find(step: Step) -> tuple[Any, str, Callable[..., Any]]:
    """Return (holder, attribute, function) of a step. Raises ImportError or AttributeError when it has gone."""
    holder: Any = importlib.import_module(step.module)
    *outer, name = step.path.split(".")
    for part in outer:
        holder = getattr(holder, part)
    return holder, name, getattr(holder, name)
