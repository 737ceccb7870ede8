"""A node's configuration from outside: values as they are typed, the patch that an order carries, what is on trial. I/O-free."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau_wire import names as T

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pantau.node.session import Key, Result, Session

MASK = "***"
_SECRET = ("password", "pin")
STATES = ("committed", "trial", "reverted", "defaults")  # config_state of health, in its order


class SettingError(ValueError):
    """A KEY=VALUE that cannot be meant; says why."""


class Change(NamedTuple):
    """One key of a change; what it was is None where the node does not know the key."""

    key: str
    old: Any
    new: Any


def is_secret(key: str) -> bool:
    """Return whether a value must not be shown, logged or stand on a command line."""
    return key.rpartition(".")[2] in _SECRET


def value(text: str) -> Any:
    """Return a value as it is typed: JSON, or else a text, so that host=10.0.0.1 needs no quotes."""
    try:
        return json.loads(text, parse_constant=lambda name: name)  # NaN is a text
    except (ValueError, RecursionError):
        return text


def assignments(items: Iterable[str]) -> dict[str, str | None]:
    """Return {key: text} of KEY=VALUE, None for a KEY whose value is asked for. Raises SettingError."""
    found: dict[str, str | None] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not key or any(not part for part in key.split(".")):
            raise SettingError(f"{item}: write KEY=VALUE, as sampling.interval_s=60")
        if key in found:
            raise SettingError(f"{key}: twice")
        if is_secret(key) and equals:
            raise SettingError(
                f"{key}: a secret on a command line is seen by others; write {key} alone, and it is asked for"
            )
        if not is_secret(key) and not equals:
            raise SettingError(f"{key}: write {key}=VALUE")
        found[key] = text if equals else None
    return found


def patch(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7396) that sets dotted keys. SettingError where one key lies in another."""
    whole: dict[str, Any] = {}
    for key, new in values.items():
        *folders, name = key.split(".")
        at = whole
        for folder in folders:
            at = at.setdefault(folder, {})
            if not isinstance(at, dict):
                raise SettingError(f"{key}: {folder} is given a value of its own")
        if name in at:
            raise SettingError(f"{key}: is given in two ways")
        at[name] = new
    return whole


def value_of(answer: Mapping[str, Any]) -> Any:
    """Return the value in the answer to `get`; None where the node does not know the key."""
    _, _, text = str(answer.get("detail", "")).partition("=")
    return value(text) if answer.get("ok") else None


def change(session: Session, values: Mapping[str, Any], key: Key) -> tuple[list[Change], int, Result]:
    """Order a change as the next generation; return what changes, the generation and what the node says."""
    body = json.dumps(patch(values), separators=(",", ":"), ensure_ascii=False)
    changes = [Change(name, value_of(session.ask("get", key=name)), new) for name, new in values.items()]
    generation = int(session.ask("status").get("config_generation", 0)) + 1
    fields = {"generation": generation, "body": body}
    return changes, generation, session.order(T.K_CONFIG, fields, key)


def shown(key: str, what: Any) -> Any:
    """Return a value that may be shown."""
    return MASK if is_secret(key) and what not in (None, "") else what
