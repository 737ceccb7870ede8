"""What a node's self-test says of each sensor, and what to check where it is not well. I/O-free; the advice is in words_advice.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.node.words import say
from pantau.node.words_advice import WORDS
from pantau_wire import names as T

if TYPE_CHECKING:
    from collections.abc import Mapping

GOOD, DOUBTFUL, BAD = "good", "doubtful", "bad"
_SOUND = 3  # places of the flag on the wire that are good, not evaluated or suspect
_NOT_MADE, _OLD, _SILENT = "not_made", "old", "silent"
# Reasons that say nothing against a sensor: a technician is at work, no vehicle passed.
_HARMLESS = frozenset({"ok", "not_evaluated", "maintenance", "no_sample"})

# The sensors that are checked alike. A model that is in none is advised by its bus.
_FAMILIES = {
    "sonar": ("a02yyuw", "a01nyub", "jsn_sr04t", "aj_sr04m"),
    "maxbotix": ("mb7389", "mb7388", "mb7369", "mb7368"),
    "transducer": ("ads1115",),
    "float": ("float_switch",),
    "rain": ("tipping_bucket",),
    "radar": ("ld2451", "ld2450"),
    "loop": ("pulse", "dual_pulse"),
    "magnet": ("qmc5883l",),
    "dust": ("pms5003", "pms1003", "pms7003", "pmsa003", "sds011", "sps30", "sps30_uart"),
    "climate": ("bme280", "sht4x", "sht3x"),
    "co2": ("scd4x", "mhz19", "mhz19b", "mhz19c"),
    "gas": ("ze03_co", "ze03_no2", "ze03_so2", "ze07_co", "ze25_o3", "sgp41"),
}
_FAMILY = {model: family for family, models in _FAMILIES.items() for model in models}


class Value(NamedTuple):
    """One reading of the test."""

    name: str
    value: float | None
    unit: str
    reason: str


class Verdict(NamedTuple):
    """One sensor: state GOOD, DOUBTFUL or BAD; causes: reasons, the worst first."""

    model: str
    bus: str
    state: str
    causes: tuple[str, ...]
    values: tuple[Value, ...]
    good: int
    errors: dict[str, int]

    def advice(self, lang: str) -> list[str]:
        """Return what to check, in the order of the causes."""
        return [advice(self.model, self.bus.split(" ", maxsplit=1)[0], cause, lang) for cause in self.causes]


def advice(model: str, bus: str, cause: str, lang: str) -> str:
    """Return what to check when a sensor on a bus (uart, i2c ...) has a cause: what is special to it first, else by its bus."""
    for key in (f"advice.{_FAMILY.get(model, '-')}.{cause}", f"advice.{bus}.{cause}", f"advice.any.{cause}"):
        if key in WORDS:
            return say(key, lang)
    return say("advice.any.other", lang, cause=cause)


def value_of(ident: int, raw: int | None, code: int) -> Value:
    """Return a reading with its unit; of an unknown property the raw number."""
    name, unit, scale = T.PROPERTIES.get(ident, (f"property {ident}", "", 0))[:3]
    # Dividing keeps 1.953 what it is; multiplying by 0.001 would not.
    scaled = None if raw is None else raw / 10**-scale if scale < 0 else float(raw * 10**scale)
    return Value(name, scaled, unit, reason_name(code >> 3))


def reason_name(ident: int) -> str:
    """Return the name of a reason id."""
    return T.REASONS[ident][0] if ident in T.REASONS else f"reason {ident}"


def bus_text(bus: Mapping[str, Any]) -> str:
    """Return a bus as configured as a word and a number: "uart 1"."""
    return ", ".join(f"{kind} {number}" for kind, number in bus.items()) or "?"


def judge(test: Mapping[str, Any]) -> list[Verdict]:
    """Return a verdict on each sensor of an answer to `selftest`."""
    return [_sensor(sensor, test) for sensor in test.get("sensors", ())]


def worst(verdicts: list[Verdict]) -> str:
    """Return the worst state of all; BAD where there is no sensor."""
    states = [verdict.state for verdict in verdicts] or [BAD]
    return max(states, key=(GOOD, DOUBTFUL, BAD).index)


def _sensor(sensor: Mapping[str, Any], test: Mapping[str, Any]) -> Verdict:
    readings = test.get("readings", {})
    bad: list[str] = []
    doubtful: list[str] = []
    values = []
    for ident in sensor.get("properties", ()):
        raw, code = readings.get(str(ident), (None, T.R_ABSENT << 3 | 4))
        value = value_of(ident, raw, code)
        values.append(value)
        if value.reason not in _HARMLESS:
            (doubtful if code & 7 < _SOUND and raw is not None else bad).append(value.reason)
    errors = {reason_name(ident): count for ident, count in sensor.get("errors", ())}
    if not sensor.get("made", 1):
        bad = [_NOT_MADE]
    elif not values:
        bad.append(_SILENT)
    elif not test.get("fresh", 0):
        doubtful.append(_OLD)
    elif not sensor.get("ok", 0) and not bad:  # errors came meanwhile, and the record has a value all the same
        doubtful += [name for name in errors if name not in _HARMLESS]
    causes = tuple(dict.fromkeys(bad + doubtful))
    state = BAD if bad else DOUBTFUL if doubtful else GOOD
    bus = bus_text(sensor.get("bus", {}))
    return Verdict(str(sensor.get("model")), bus, state, causes, tuple(values), sensor.get("good", 0), errors)
