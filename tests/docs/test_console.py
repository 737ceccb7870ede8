"""docs/console.md names the verbs, the errors and the orders that there are, no fewer and no more."""

from __future__ import annotations

import re
from pathlib import Path

from pantau_node import fieldwork, orders
from pantau_node.asks import VERBS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "console.md").read_text()


def table(heading: str) -> set[str]:
    """The first words of the table that follows a heading."""
    part = PAGE[PAGE.index(heading) :]
    rows = re.findall(r"^\| `(\w+)`", part[: part.find("\n## ", 1)], re.MULTILINE)
    return set(rows)


def test_every_verb_is_described() -> None:
    assert table("## Verbs") == set(VERBS.split())


def test_every_error_is_described() -> None:
    firmware = ROOT / "firmware" / "pantau_node"
    text = "".join((firmware / f"{name}.py").read_text() for name in ("console", "asks", "selftest"))
    raised = set(re.findall(r'AnswerError\(\s*"(\w+)"', text)) | set(re.findall(r'said = "(\w+)", ', text))
    assert raised == table("## Errors")


def test_every_order_of_a_technician_is_described() -> None:
    assert table("## Orders") == set(orders.FIELDWORK)
    assert all(callable(getattr(fieldwork, name)) for name in orders.FIELDWORK)
    known = re.search(r"commands that the broker may bring \(([^)]*)\)", PAGE)
    assert known and set(re.findall(r"`(\w+)`", known[1])) == set(orders.COMMANDS)
