"""The shipped dashboard and rules are built from the table of figures and name nothing else."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest
from click.testing import CliRunner

from pantau.cli import pantau
from pantau.ops import dashboard
from pantau.ops.figures import FIGURES, row_of

TEMPLATES = files("pantau").joinpath("templates")


@pytest.mark.parametrize("name", [dashboard.DASHBOARD, dashboard.RULES])
def test_the_committed_file_is_what_is_built(name):
    committed = TEMPLATES.joinpath(name).read_text(encoding="utf-8")
    assert committed == dashboard.built()[name], "run: python -m pantau.ops.dashboard"


@pytest.mark.parametrize("name", [dashboard.DASHBOARD, dashboard.RULES])
def test_every_metric_exists_and_is_asked_as_its_kind_wants(name):
    text = TEMPLATES.joinpath(name).read_text(encoding="utf-8")
    asked = set(re.findall(r"\bpantau_(\w+)", text))
    assert asked and all(row_of(metric) for metric in asked), {m for m in asked if not row_of(m)}
    for metric in asked:
        row = row_of(metric)[1]
        for match in re.finditer(rf"(\w+\()?pantau_{metric}\b", text):
            if row.kind != "gauge":
                assert match[1] in {"rate(", "increase("}, (
                    f"{metric} is a {row.kind}: a sum since the start says nothing"
                )


def test_labels_in_legends_and_conditions_are_those_of_the_figures():
    for row in dashboard.PANELS.values():
        for panel in row:
            for query, legend in panel.queries:
                labels = {label for name in re.findall(r"\{(\w+)\}", query) for label in FIGURES[name].labels}
                assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= labels | {"instance"}, panel.title
    assert len({rule.name for rule in dashboard.RULES_OF_BRIDGE}) == len(dashboard.RULES_OF_BRIDGE)


def test_panels_do_not_lie_on_each_other():
    taken = set()
    for panel in dashboard.dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells and max(x for x, _ in cells) < 24
        taken |= cells


def test_a_figure_that_does_not_exist_cannot_be_drawn():
    with pytest.raises(KeyError, match="invented"):
        dashboard.named("rate({invented}[5m])")


def test_the_files_can_be_had_from_the_wheel(tmp_path):
    said = CliRunner().invoke(pantau, ["bridge", "monitoring", str(tmp_path / "m")])
    assert said.exit_code == 0, said.output
    assert {p.name for p in (tmp_path / "m").iterdir()} == {dashboard.DASHBOARD, dashboard.RULES, "prometheus.yml"}
    assert json.loads((tmp_path / "m" / dashboard.DASHBOARD).read_text())["title"] == "Pantau bridge"
    assert CliRunner().invoke(pantau, ["bridge", "monitoring", str(tmp_path / "m")]).exit_code == 2
