"""`pantau bench sinks`: how fast each sink delivers to its real server, beside that server's own bulk tool in the same run.

In each round the tool and the sink load as many observations of the same fleet, each into a target of its own making or
the same tables, new ones every time. Both are timed to the last receipt.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pantau.sinks import Context
from pantau_sim.servers import Missing
from pantau_sim.sinkbench.work import CITY, Work, observations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from pantau.decode import Decoded
    from pantau.sinks import Sink

# Each is a file beside this one. Frames a round: enough for a second or two of the target's own tool.
SINKS = {
    "sqlite": 3_000,
    "postgres": 6_000,
    "sensorthings": 600,
    "ngsi_ld": 1_500,
    "nats": 6_000,
    "mqtt": 3_000,
    "line": 3_000,
    "files_ndjson": 3_000,
    "files_parquet": 6_000,
}
_NODES = 300


class Bench(Protocol):
    """What a file of this folder has: the real server, the sink on it, and what it is compared with."""

    REFERENCE: str  # the tool, for people

    def serve(self, folder: Path) -> AbstractContextManager[Any]:
        """Run the server. Raises Missing."""

    def open(self, server: Any, context: Context) -> Sink:
        """Return the sink on that server."""

    def reference(self, server: Any, batches: Sequence[Sequence[Decoded]], folder: Path) -> float:
        """Load the observations with the server's own bulk tool and return the seconds that took."""


class Round(NamedTuple):
    """One round: observations a second of both, and our CPU."""

    sink: float
    reference: float
    cpu_us: float


class BenchError(RuntimeError):
    """A sink did not take what it was given; the text says why."""


def measure(names: Sequence[str], rounds: int, scale: float, say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Return {sink: figures}; a sink whose server is missing has {"missing": package}. Raises BenchError."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        bench: Any = importlib.import_module(f"pantau_sim.sinkbench.{name}")
        place = Path(tempfile.mkdtemp(prefix=f"pantau-{name}-"))
        place.chmod(0o755)  # PostgreSQL runs as a user of its own
        with tempfile.TemporaryDirectory(prefix="pantau-bench-") as scratch, contextlib.ExitStack() as stack:
            try:
                server = stack.enter_context(bench.serve(place))
            except Missing as missing:
                found[name] = {"missing": missing.package}
                say(f"{name:<14} {missing}")
                continue
            found[name] = _of(bench, server, Path(scratch), max(_NODES, int(SINKS[name] * scale)), rounds)
            say(line(name, found[name]))
    return found


def line(name: str, found: dict[str, Any]) -> str:
    """Return one sink's figures for people."""
    return (
        f"{name:<14} {found['observations_per_s']:>9,} observations/s : {found['reference_per_s']:>9,} of {found['reference']}"
        f" = {found['ratio']:.2f}; {found['cpu_us_per_observation']:.1f} us CPU each"
    )


def _of(bench: Any, server: Any, folder: Path, frames: int, rounds: int) -> dict[str, Any]:
    work = Work(folder, _NODES)
    context = Context(CITY, "bench", folder / "sinks", work.registry)
    sink: Sink = bench.open(server, context)
    try:
        # Tables, things and names of every node are made here, once.
        _deliver(sink, work.batches(_NODES))
        done = []
        for _ in range(rounds):
            reference = work.batches(frames)
            seconds = bench.reference(server, reference, folder)
            mine = work.batches(frames)
            cpu, began = time.process_time(), time.perf_counter()
            _deliver(sink, mine)
            took, used = time.perf_counter() - began, time.process_time() - cpu
            count = observations(mine)
            done.append(Round(count / took, observations(reference) / seconds, used / count * 1e6))
    finally:
        sink.close()
    rate, other = (statistics.median(getattr(one, field) for one in done) for field in ("sink", "reference"))
    return {
        "observations_per_s": round(rate),
        "reference_per_s": round(other),
        "ratio": round(statistics.median(one.sink / one.reference for one in done), 2),
        "cpu_us_per_observation": round(statistics.median(one.cpu_us for one in done), 2),
        "reference": bench.REFERENCE,
        "observations": observations(mine) * rounds,
        "cores": os.cpu_count(),
    }


def _deliver(sink: Sink, batches: list[list[Decoded]]) -> None:
    for batch in batches:
        for verdict in sink.deliver(batch):
            if verdict.kind in {"retry", "rejected"}:
                raise BenchError(f"{sink.name}: {verdict.kind}: {verdict.reason}")
