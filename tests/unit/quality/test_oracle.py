"""The QARTOD tests against ioos_qc: its own vectors, and seeded random series with steps, spikes, plateaus and gaps."""

from __future__ import annotations

import json
import random
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ioos_qc import qartod

from pantau.model import Observation, Revision
from pantau.quality.columns import judge
from pantau.quality.flags import verdict, worst
from pantau.quality.limits import Limits
from pantau.quality.plans import _plan, compile_site
from pantau.quality.pm import corrected, nowcast
from pantau.quality.site import PmProfile
from pantau.quality.work import Work

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "processing.json"
needs_vectors = pytest.mark.skipif(not VECTORS.is_file(), reason="the shared vectors lie beside the repository")
T0_MS = 1_795_000_000_000


def ours(values, limits, dt_s=60, size=7):
    """Return {test: final flags} of a series that came in frames of `size`, revisions applied."""
    plan = _plan(limits, None, ())
    site = compile_site(None)._replace(plans={"water_level": plan})
    state, told = {"least": dt_s * 1000, "step": dt_s * 1000}, {}
    for seq, at in enumerate(range(0, len(values), size), 1):
        rows = [
            Observation("n", 1, seq, i, "water_level", v, "m", 9 if v is None else 1, "ok", T0_MS + 1000 * dt_s * (at + i),
                        None, 3, 0, None)
            for i, v in enumerate(values[at : at + size])
        ]  # fmt: skip
        work = Work("n", rows, site, state, again=False, gaps=False)
        judge(work, "water_level", plan)
        for i, flags in enumerate(work.flags["water_level"]):
            told[seq, i] = None if flags is None else verdict(plan.names, tuple(flags), 1, "ok").tests
        for revision in work.revisions:
            assert isinstance(revision, Revision)
            told[revision.key[2:4]] = revision.tests
    parsed = [None if text is None else dict(p.split("=") for p in text.split()) for text in told.values()]
    return {name: [9 if p is None else int(p[name]) for p in parsed] for name in plan.names}


def theirs(test, values, *args, **given):
    series = [float("nan") if v is None else v for v in values]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [int(flag) for flag in getattr(qartod, test)(series, *args, **given)]


def a_series(seed, n=120):
    rng = random.Random(seed)
    value, out = 2.0, []
    while len(out) < n:
        kind = rng.random()
        if kind < 0.1:
            out += [round(value, 3)] * rng.randint(2, 25)
        elif kind < 0.15:
            out += [None] * rng.randint(1, 4)
        else:
            value += rng.gauss(0, 0.02) + (rng.choice([-1, 1]) * 0.4 if rng.random() < 0.05 else 0)
            spiky = rng.random() < 0.08
            out.append(round(value + (rng.choice([-1, 1]) * rng.choice([0.1, 0.5]) if spiky else 0), 3))
    return out[:n]


@pytest.mark.parametrize("seed", range(12))
def test_every_flag_of_random_series_is_that_of_ioos_qc(seed):
    values, dt_s = a_series(seed), (60, 300, 900)[seed % 3]
    limits = Limits((0.5, 3.5), (1.0, 3.0), 0.1 / dt_s, 0.3 / dt_s, 0.06, 0.2, 4.5 * dt_s, 9.5 * dt_s, 0.01)
    # The neighbours' tests are asked for one by one: here a value that fails the range test is no neighbour.
    free = limits._replace(fail=None, suspect=None)
    times = [T0_MS // 1000 + dt_s * i for i in range(len(values))]
    got = ours(values, free, dt_s)
    assert ours(values, limits, dt_s)["range"] == [
        min(flag, 4) if flag != 9 else 9 for flag in theirs("gross_range_test", values, (0.5, 3.5))
    ]
    assert ours(values, limits, dt_s)["site_range"] == [
        {4: 3}.get(flag, flag) for flag in theirs("gross_range_test", values, (0.5, 3.5), (1.0, 3.0))
    ]
    assert got["spike"] == theirs("spike_test", values, 0.06, 0.2)
    # not that of a value after a missing one, which numpy's mask leaves GOOD: so does ours
    assert got["rate"] == theirs("rate_of_change_test", values, times, 0.1 / dt_s, 0.3 / dt_s)
    expected = theirs("flat_line_test", values, times, int(4.5 * dt_s), int(9.5 * dt_s), 0.01)
    assert got["flat"] == expected


def test_the_random_series_show_every_flag():
    series = [
        ours(a_series(seed), Limits(None, None, 0.1 / 60, 0.3 / 60, 0.06, 0.2, 270, 570, 0.01)) for seed in range(12)
    ]
    for test, wanted in (("rate", {1, 3, 4, 9}), ("spike", {1, 2, 3, 4, 9}), ("flat", {1, 3, 4, 9})):
        assert {flag for flags in series for flag in flags[test]} == wanted


def test_flags_are_merged_as_ioos_qc_merges_them():
    flags = (1, 2, 3, 4, 9)
    for a in flags:
        for b in flags:
            assert worst(a, b) == int(qartod.qartod_compare([np.array([a]), np.array([b])])[0])


@needs_vectors
def test_the_shared_vectors():
    done = set()
    for vector in json.loads(VECTORS.read_text())["vectors"]:
        if vector["kind"] == "qartod" and "spike" in vector["test"]:
            limits = Limits(spike=vector["suspect"], spike_fail=vector["fail"])
            assert ours(vector["inp"], limits)["spike"] == vector["expect"]
        elif vector["kind"] == "qartod":
            limits = Limits(
                flat_s=vector["suspect_s"], flat_fail_s=vector["fail_s"], flat_tolerance=vector["tolerance"]
            )
            assert ours(vector["inp"], limits, vector["dt_s"])["flat"] == vector["expect"]
        elif vector["kind"] == "pm_correction":
            value = corrected(PmProfile(), vector["pm25_raw"], vector["rh"])
            assert max(0.0, value) == pytest.approx(vector["expect"], abs=1e-4)
        elif vector["kind"] == "nowcast" and vector["id"] != "nowcast_missing1":  # its rule is older than the EPA's
            assert nowcast(vector["hours_recent_first"]) == pytest.approx(vector["expect"])
        else:
            continue
        done.add(vector["id"])
    assert {"qartod_spike", "qartod_flat", "nowcast_epa", "epa_230_70", "epa_3_95"} <= done


def test_frames_of_any_size_give_the_same_final_flags():
    values = a_series(99)
    limits = Limits((0.5, 3.5), (1.0, 3.0), 0.001, 0.005, 0.06, 0.2, 400, 800, 0.01)
    first, *others = [ours(values, limits, size=size) for size in (1, 2, 15, 120)]
    assert all(first == other for other in others)
    assert all(a != b for a, b in pairwise([first["spike"], first["flat"], first["rate"]]))
