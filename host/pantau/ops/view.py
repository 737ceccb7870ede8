"""A snapshot as lines for a terminal. Pure: the same lines go to a pipe, less the colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOWN = 10  # nodes and reasons; --json has them all
_UNKNOWN = "-"
_LABEL = 12  # columns
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_SPOOL_HIGH = 0.9


class Line(NamedTuple):
    """One line; `tone` is "good", "bad", "dim" or "" and carries nothing that the text does not say."""

    text: str
    tone: str = ""


def lines(state: Mapping[str, Any]) -> list[Line]:
    """Return the view of one snapshot. What is null, or comes from a newer bridge, is left out or shown as -."""
    return [
        *_head(state),
        *_flow(state),
        *_sinks(state),
        *_nodes(state["nodes"]),
        *_quarantine(state["quarantine"]),
        *_problems(state),
    ]


def _row(label: str, *parts: str, tone: str = "") -> Line:
    return Line(f"{label:<{_LABEL}}{'   '.join(part for part in parts if part)}", tone)


def _head(state: Mapping[str, Any]) -> Iterator[Line]:
    problems = len(state["problems"])
    health = "healthy" if not problems else "1 problem" if problems == 1 else f"{problems} problems"
    yield Line(
        f"Pantau {state['version']}   city {state['city']}   up {span(state['uptime_s'])}   {health}",
        "bad" if problems else "good",
    )


def _flow(state: Mapping[str, Any]) -> Iterator[Line]:
    rates, spool, disk = state["rates"], state["spool"], state["disk"]
    commit, window, acks, broker = state["commit"], state["window"], state["acks"], state["broker"]
    over = f"over {span(rates['over_s'])}" if rates["over_s"] else "rates come with the next look, in 5 s"
    yield _row(
        "in", f"{number(rates['frames_per_s'])} frames/s", f"{number(rates['observations_per_s'])} observations/s", over
    )
    used = spool["used_ratio"]
    yield _row(
        "spool",
        f"{size(spool['bytes'])} of {size(spool['limit_bytes'])}" + (f" ({used:.0%})" if used is not None else ""),
        f"oldest {span(spool['oldest_s'])}" if spool["oldest_s"] is not None else "",
        f"{number(spool['frames_through'])} frames through",
        tone="bad" if used is not None and used > _SPOOL_HIGH else "",
    )
    yield _row("disk", f"{size(disk['free_bytes'])} free of {size(disk['size_bytes'])}")
    yield _row(
        "commit",
        f"p50 {milli(commit['p50_s'])}",
        f"p99 {milli(commit['p99_s'])}",
        f"{number(commit['commits'])} made",
        f"{number(commit['failures'])} refused by the disk" if commit["failures"] else "",
        tone="bad" if commit["failures"] else "",
    )
    allows = f"allow {number(window['allows_frames_per_s'])} frames/s" if window["allows_frames_per_s"] else ""
    yield _row(
        "window",
        f"{number(window['messages'])} messages a session {allows}".rstrip() if window["messages"] else "not yet known",
        f"{number(window['in_flight'])} in flight" if window["in_flight"] is not None else "",
    )
    yield _row(
        "broker",
        "connected" if broker["connected"] else "not connected",
        f"{number(broker['partitions'])} sessions",
        f"{number(broker['reconnects'])} reconnects",
        tone="" if broker["connected"] else "bad",
    )
    yield _row("acks", f"{number(acks['due'])} due", f"{number(acks['sent'])} sent")


def _sinks(state: Mapping[str, Any]) -> Iterator[Line]:
    label = "sinks"
    for sink in state["sinks"]:
        behind = f"{number(sink['lag_frames'])} frames"
        behind += f", {span(sink['lag_s'])}" if sink["lag_s"] is not None else ""
        rejected = f"{number(sink['rejected'])} rejected" if sink["rejected"] else ""
        yield _row(label, sink["name"], f"behind {behind}", f"{number(sink['delivered'])} delivered", rejected)
        label = ""


def _nodes(nodes: Mapping[str, Any]) -> Iterator[Line]:
    ratio = nodes["delivered_ratio"]
    states = [f"{number(count)} {state}" for state, count in nodes["states"].items()]
    complete = (
        f"delivered: worst {percent(ratio['worst'])}, median {percent(ratio['median'])}"
        if ratio["worst"] is not None
        else ""
    )
    if states or complete:
        yield _row("nodes", *states, complete)
    late = nodes["late"] or []
    for node in late[:_SHOWN]:
        silent = f"silent for {span(node['silent_s'])}" if node["silent_s"] is not None else "never heard"
        yield _row("", f"{node['node']} at {node['station']}", node["state"], silent, tone="bad")
    if len(late) > _SHOWN:
        yield _row("", f"and {len(late) - _SHOWN} more: --json lists them", tone="dim")


def _quarantine(kept: Mapping[str, Any]) -> Iterator[Line]:
    pushed = f"{number(kept['dropped'])} pushed out by its bounds" if kept["dropped"] else ""
    yield _row("quarantine", f"{number(kept['entries'])} entries", pushed)
    worst = sorted(kept["refused"].items(), key=lambda item: -item[1])
    if worst:
        yield _row("", *(f"{reason} {number(count)}" for reason, count in worst[:_SHOWN]), tone="dim")


def _problems(state: Mapping[str, Any]) -> Iterator[Line]:
    if state["problems"]:
        yield Line("")
    for problem in state["problems"]:
        yield Line(f"! {problem}", "bad")


def number(value: float | None) -> str:
    """Return 12,345 or 0.25; - for None."""
    if value is None:
        return _UNKNOWN
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.2f}"


def size(value: float | None) -> str:
    """Return 1.5 GiB; - for None."""
    if value is None:
        return _UNKNOWN
    unit = 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def span(value: float | None) -> str:
    """Return a duration with its two largest units: 3 d 4 h, 12 min 5 s, 0.4 s; - for None."""
    if value is None:
        return _UNKNOWN
    if value < 10:
        return f"{value:.1f} s".replace(".0 s", " s")
    rest, found = int(value), []
    for unit, seconds in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, seconds)
        if count:
            found.append(f"{count} {unit}")
        elif found:
            break
    return " ".join(found[:2])


def milli(value: float | None) -> str:
    """Return seconds as 0.42 ms; - for None."""
    return _UNKNOWN if value is None else f"{value * 1000:.3g} ms" if value < 1 else span(value)


def percent(value: float | None) -> str:
    """Return 99.7 %, never 100 % for less than all; - for None."""
    if value is None:
        return _UNKNOWN
    return "100 %" if value == 1 else f"{min(value, 0.999) * 100:.1f} %"
