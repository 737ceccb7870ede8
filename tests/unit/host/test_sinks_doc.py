"""The page of sinks: whole, fresh, and true as far as the contract tests know."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import sinks_doc
from pantau.config import SinksTable
from pantau_wire import names as wire

KITS = sorted(p.stem.removeprefix("kit_") for p in (Path(__file__).parents[2] / "sinks").glob("kit_*.py"))


def test_the_page_names_every_sink_and_every_property():
    text = sinks_doc.page()
    assert all(f"`[sinks.{name}]`" in text for name in SinksTable.model_fields)
    assert all(f"| `{name}`" in text for name, *_ in wire.PROPERTIES.values())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in rows} == {5, 6}


def test_a_stale_page_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sinks_doc, "PAGE", tmp_path / "sinks.md")
    assert sinks_doc.main(["--check"]) == 1
    assert "make gen" in capsys.readouterr().out
    assert sinks_doc.main([]) == sinks_doc.main(["--check"]) == 0


def test_a_sink_that_says_nothing_of_itself_is_named(monkeypatch):
    monkeypatch.delattr("pantau.sinks.line.ABOUT")
    with pytest.raises(SystemExit, match=r"sinks/line\.py has no ABOUT: add one"):
        sinks_doc.sinks()


@pytest.mark.parametrize("name", KITS)
def test_what_a_sink_says_is_what_its_contract_tests(name):
    kit, about = importlib.import_module(f"sinks.kit_{name}").Kit, sinks_doc.sinks()[name]
    assert (about.key, about.holds_undated, about.holds_null) == (kit.keyed_by, kit.holds_undated, kit.holds_null)
