"""How a running node is, out of its answers to `hello`, `status` and `seen`, in sentences. I/O-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pantau.node.judge import reason_name
from pantau.node.words import say

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOCK_OFF_S = 5.0  # more than this: one of the two clocks is wrong
WEAK_DBM = -80  # below this frames are often sent twice
LATE_S = 900  # an acknowledgement that is older, while something waits
_QUALITIES = ("unset", "carried", "coarse", "synchronised")
_TEXTS = ("config_errors", "last_exception")
_COUNTS = ("overwritten_records", "flash_errors", "forged", "restarts", "safe_profile")
_RESETS = ("?", "power", "hard", "watchdog", "sleep", "soft")


def clock_off_s(hello: Mapping[str, Any], now_s: float) -> float | None:
    """Return by how much a node's clock is ahead of this computer's; None where it is not set."""
    utc_ms = hello.get("utc_ms")
    return None if utc_ms is None else round(utc_ms / 1000 - now_s, 1)


def span(seconds: float, lang: str) -> str:
    """Return a length of time for people."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return say("look." + unit, lang, n=round(seconds / size))
    return say("look.second", lang, n=round(seconds))


def sentences(
    hello: Mapping[str, Any], status: Mapping[str, Any], seen: Mapping[str, Any], now_s: float, lang: str
) -> tuple[list[str], list[str]]:
    """Return (how it is, what is wrong)."""
    how = [_who(hello, lang), _service(status, lang)]
    wrong: list[str] = []
    _clock(hello, now_s, lang, how, wrong)
    cause = status.get("reset_cause", 0)
    how.append(
        say(
            "look.up",
            lang,
            boot=hello.get("boot", 0),
            up=span(hello.get("uptime_ms", 0) / 1000, lang),
            cause=say("look.reset_" + (_RESETS[cause] if 0 < cause < len(_RESETS) else "other"), lang),
        )
    )
    _link(seen, lang, how, wrong)
    how.append(say("look.holds", lang, frames=seen.get("frames", 0), records=seen.get("records", 0)))
    how.append(say("look.config_" + str(status.get("config_state", 0)), lang, n=status.get("config_generation", 0)))
    if "update_state" in status:
        how.append(say("look.update", lang, state=status["update_state"], have=status.get("update_have", 0)))
    wrong += _troubles(status, lang)
    return how, wrong


def _who(hello: Mapping[str, Any], lang: str) -> str:
    values = {name: hello.get(name, "?") for name in ("node", "station", "board", "version")}
    slot = f", slot {hello['slot']}" if "slot" in hello else ""
    release = f", release {hello['release']}" if "release" in hello else ""
    return say("look.who", lang, more=release + slot, **values)


def _service(status: Mapping[str, Any], lang: str) -> str:
    if status.get("setup"):
        return say("look.setup", lang)
    if "maintenance_s" in status:
        return say("look.maintenance", lang, left=span(status["maintenance_s"], lang))
    return say("look.service", lang)


def _clock(hello: Mapping[str, Any], now_s: float, lang: str, how: list[str], wrong: list[str]) -> None:
    off = clock_off_s(hello, now_s)
    if off is None:
        wrong.append(say("look.clock_unset", lang))
        return
    quality = hello.get("clock", 0)
    how.append(say("look.clock", lang, quality=say("look.clock_" + _QUALITIES[quality & 3], lang), off=f"{off:+.1f}"))
    if abs(off) > CLOCK_OFF_S:
        wrong.append(say("look.clock_off", lang, off=f"{off:+.1f}"))


def _link(seen: Mapping[str, Any], lang: str, how: list[str], wrong: list[str]) -> None:
    rssi, ack_s, waiting_s = seen.get("rssi"), seen.get("ack_s"), seen.get("waiting_s")
    signal = "" if rssi is None else f", {rssi} dBm"
    state = say("look.link_up" if seen.get("up") else "look.link_down", lang)
    acked = say("look.never_acked", lang) if ack_s is None else say("look.acked", lang, ago=span(ack_s, lang))
    how.append(say("look.link", lang, kind=seen.get("link", "?"), state=state, signal=signal, acked=acked))
    if rssi is not None and rssi < WEAK_DBM:
        wrong.append(say("look.weak", lang, rssi=rssi))
    if waiting_s is not None and waiting_s > LATE_S:
        wrong.append(say("look.waits", lang, ago=span(waiting_s, lang)))


def _troubles(status: Mapping[str, Any], lang: str) -> list[str]:
    found = [say("look." + name, lang, text=status[name]) for name in _TEXTS if status.get(name)]
    found += [say("look." + name, lang, n=status[name]) for name in _COUNTS if status.get(name)]
    errors: dict[int, list[str]] = {}
    for index, reason, count in status.get("sensor_errors", ()):
        errors.setdefault(index, []).append(f"{reason_name(reason)} {count}")
    found += [say("look.sensor_errors", lang, n=n, text=", ".join(told)) for n, told in sorted(errors.items())]
    return found
