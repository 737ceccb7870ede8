"""One table of figures: names by convention, metrics with help and type, nothing given away that it does not name."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pantau.ops import figures as table
from pantau.ops.figures import FIGURES, Histogram, delivered_figures, disk_figures, key, parse, undocumented
from pantau.web.metrics import exposition


def families(figures):
    return {family.name: family for family in text_string_to_metric_families(exposition(figures).decode())}


def test_names_follow_the_conventions_of_prometheus():
    for name, row in FIGURES.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name), name
        assert (row.kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|millis|mib|kb|minutes|hours|percent)(_|$)", name), f"{name}: a base unit"
        assert not name.endswith(("_bucket", "_sum", "_count")), name
        assert row.help[0].isupper() and not row.help.endswith("."), name


def test_every_row_comes_out_with_its_help_and_type():
    plain = {
        key(name, **dict.fromkeys(row.labels, "x")): 1.0 for name, row in FIGURES.items() if row.kind != "histogram"
    }
    commits = Histogram()
    for seconds in (0.0004, 0.001, 0.02, 99):
        commits.observe(seconds)
    more = {
        name: value
        for name, row in FIGURES.items()
        if row.kind == "histogram"
        for name, value in commits.figures(name).items()
    }
    found = families(plain | more)
    assert {name.removeprefix("pantau_") for name in found} == {name.removesuffix("_total") for name in FIGURES}
    for name, row in FIGURES.items():
        family = found[f"pantau_{name.removesuffix('_total')}"]
        assert (family.documentation, family.type) == (row.help, row.kind)
    samples = {(s.name, s.labels.get("le")): s.value for s in found["pantau_commit_latency_seconds"].samples}
    assert samples["pantau_commit_latency_seconds_bucket", "0.001"] == 2  # the bound itself is inside
    assert samples["pantau_commit_latency_seconds_bucket", "0.025"] == 3
    assert samples["pantau_commit_latency_seconds_bucket", "+Inf"] == 4
    assert samples["pantau_commit_latency_seconds_count", None] == 4
    assert samples["pantau_commit_latency_seconds_sum", None] == pytest.approx(99.0214)


def test_what_has_no_row_or_other_labels_is_found():
    good = {
        "acks_due": 1,
        "start_time_ms": 1,
        'sink_lag_frames{sink="x"}': 1,
        **Histogram().figures("commit_latency_seconds"),
    }
    assert undocumented(good) == []
    assert undocumented(["invented", "sink_lag_frames", 'acks_due{node="x"}', "acks_due_sum"]) == [
        "invented", "sink_lag_frames", 'acks_due{node="x"}', "acks_due_sum",
    ]  # fmt: skip


def test_milliseconds_are_given_away_as_seconds():
    assert (
        families({"start_time_ms": 1_770_000_000_500})["pantau_start_time_seconds"].samples[0].value == 1_770_000_000.5
    )


def test_a_label_carries_what_strangers_sent_without_breaking_the_text():
    figure = key("frames_refused_total", reason='a"b\\c\nd')
    assert parse(figure) == ("frames_refused_total", {"reason": "a_b_c_d"})
    with pytest.raises(ValueError, match="is not named"):
        parse('frames{reason="a\nb"}')


def test_completeness_over_all_nodes(tmp_path):
    nodes = {f"n{i}": (100, 100) for i in range(98)} | {"bad": (100, 25), "new": (0, 0)}
    found = delivered_figures(nodes)
    assert found['nodes_delivered_ratio{quantile="0.0"}'] == 0.25
    assert found['nodes_delivered_ratio{quantile="0.5"}'] == 1.0
    assert found["nodes_incomplete"] == 1
    assert delivered_figures({}) == {}
    assert undocumented(found) == undocumented(disk_figures(tmp_path)) == []
    assert disk_figures(tmp_path / "gone") == {}
    assert table.row_of("frames_refused_total_sum") is None
