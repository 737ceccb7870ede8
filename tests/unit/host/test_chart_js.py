"""The chart's arithmetic, run by Node as it stands: scales, ticks, runs, gaps, extents, zoom, tables; and what is known of readings."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import pantau.web
from needs import need

VIEWS = Path(pantau.web.__file__).parent / "static" / "views"
T0 = 1_795_000_000_000  # 2026-11-18 18:06:40 WIB
_HEAD = """
const c = await import({scale});
const f = await import({facts});
const s = await import({source});
const T0 = 1795000000000, MIN = 60000, HOUR = 60 * MIN, DAY = 24 * HOUR;
const plain = (values, more = {{}}) => c.seriesOf({{ t: values.map((_, i) => T0 + i * MIN), last: values, ...more }});
const answers = {{}};
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the values of ASKED by name; one process of Node for all of them."""
    node = need("node", "nodejs")
    folder = tmp_path_factory.mktemp("views")
    (folder / "package.json").write_text('{"type": "module"}')  # an older Node takes .js for CommonJS
    for name in _FILES.values():
        shutil.copy(VIEWS / f"{name}.js", folder)
    lines = [_HEAD.format(**{name: json.dumps((folder / f"{file}.js").as_uri()) for name, file in _FILES.items()})]
    lines += [f"answers[{json.dumps(name)}] = {code};" for name, code in ASKED.items()]
    lines.append("console.log(JSON.stringify(answers));")
    script = "\n".join(lines)
    told = subprocess.run(
        [node, "--input-type=module", "-"], input=script, capture_output=True, text=True, timeout=30, check=False
    )
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


_FILES = {"scale": "chart_scale", "facts": "station_facts", "source": "station_source"}
ASKED = {
    "ticks": "c.valueTicks(1.13, 4.21, 5)",
    "small ticks": "c.valueTicks(0.001, 0.0042, 4)",
    "flat ticks": "c.valueTicks(3, 3, 4).ticks.length",
    "day ticks": "c.timeTicks(T0, T0 + DAY, 6).map(({ ms, day }) => [new Date(ms).toISOString().slice(11, 16), day])",
    "many days": "c.timeTicks(T0, T0 + 400 * DAY, 5).length",
    "midnights": "c.midnights(T0, T0 + 2 * DAY).map((ms) => new Date(ms).toISOString())",
    "back": "Math.round(c.linear(10, 20, 100, 300).back(c.linear(10, 20, 100, 300)(13.5)) * 10) / 10",
    "flat scale": "Number.isFinite(c.linear(5, 5, 0, 100)(5))",
    "no series": "[c.seriesOf(null), c.seriesOf({}), c.seriesOf({ t: 5 })]",
    "short column": "c.seriesOf({ t: [1, 2], last: [3, 4], q: [1] }).q",
    "runs": "c.runs(plain([1, 2, null, 4, 5]), 2.5 * MIN)",
    "runs gap": "c.runs(c.seriesOf({ t: [0, 1, 2, 30, 31].map((m) => T0 + m * MIN), last: [1, 1, 1, 1, 1] }), 2.5 * MIN)",
    "runs bad": "c.runs(plain([1, 99, 3], { q: [1, 4, 1] }), 2.5 * MIN)",
    "gaps": (
        "c.gaps(c.seriesOf({ t: [0, 1, 2, 30, 31].map((m) => T0 + m * MIN), last: [1, 1, 1, 1, 1] }), 2.5 * MIN,"
        " [T0 - 10 * MIN, T0 + 60 * MIN], T0 + 50 * MIN).map(([a, b]) => [(a - T0) / MIN, (b - T0) / MIN])"
    ),
    "gap of missing": (
        "c.gaps(plain([1, 1, null, null, null, 1, 1], { reason: Array(7).fill('no_echo') }), 2.5 * MIN,"
        " [T0, T0 + 6 * MIN], T0 + 6 * MIN).map(([a, b]) => [(a - T0) / MIN, (b - T0) / MIN])"
    ),
    "empty road": (
        "c.gaps(plain([1, 1, null, null, null, 1, 1], { reason: Array(7).fill('no_sample') }), 2.5 * MIN,"
        " [T0, T0 + 6 * MIN], T0 + 6 * MIN)"
    ),
    "no gap ahead": "c.gaps(plain([1, 1]), 2 * MIN, [T0, T0 + DAY], T0 + MIN)",
    "all gap": "c.gaps(plain([]), MIN, [T0, T0 + HOUR], T0 + HOUR).map(([a, b]) => b - a)",
    "marks": "c.marks(plain([1, null, 3, null], { q: [1, 9, 3, 9], reason: ['ok', 'no_echo', 'rate', 'no_sample'] }))",
    "bad last": "c.lineAt(c.seriesOf({ t: [T0], last: [55], min: [2], max: [3], q: [4], n: [9] }), 0)",
    "failed": "[c.peakAt(c.seriesOf({ t: [T0], last: [55], min: [null], max: [null], q: [4] }), 0)]",
    "failed extent": "c.extent(c.seriesOf({ t: [T0, T0 + MIN], last: [55, 2], min: [null, 2], max: [null, 2], q: [4, 1] })).high < 5",
    "road marks": "c.marks(plain([3, null, 4], { q: [9, 9, 1], n: [9, 9, 9], reason: ['ok', 'no_sample', 'ok'] }))",
    "reason": "[1, 9].map((n) => c.reasonOf(plain([3], { q: [3], n: [n], reason: ['rate'] }), 0))",
    "nearest": "[-5, 0, 14, 16, 99].map((x) => c.nearest([0, 10, 20], x))",
    "nearest none": "c.nearest([], 5)",
    "level": "c.extent(plain([2, 2.5]), { least: 0.1 })",
    "counts": "c.extent(plain([3, 9]), { zero: true })",
    "still": "(({ low, high }) => high - low)(c.extent(plain([2, 2.004]), { least: 0.2 }))",
    "bad peak": "c.extent(plain([2, 55, 2.5], { q: [1, 4, 1] }), {}).high < 5",
    "peak in bucket": "c.extent(plain([2, 2, 2.5], { q: [1, 4, 1], n: [9, 9, 9], max: [2, 7, 2.5], min: [2, 2, 2] }), {}).high > 7",
    "all bad": "(({ low, high }) => low < 2 && high > 55)(c.extent(plain([2, 55], { q: [4, 4] }), {}))",
    "empty": "c.extent(plain([]), { thresholds: [{ value: 2.5 }] })",
    "thresholds": "c.extent(plain([1, 2]), { thresholds: [{ value: 3 }, { value: 40 }] })",
    "band": "c.bandPath(plain([1, 2]), [0, 1], (x) => x - T0, (y) => y)",
    "wide band": "c.bandPath(plain([1, 2], { min: [0, 1], max: [5, 2] }), [0, 1], (x) => (x - T0) / MIN, (y) => y)",
    "dot": "c.linePath(plain([7]), [0, 0], (x) => x - T0, (y) => y)",
    "step": "c.stepPath(plain([4, 3]), [0, 1], (x) => (x - T0) / MIN, (y) => y)",
    "bars": "c.barsPath(plain([0, 2, null]), (x) => (x - T0) / MIN, (y) => y, 10 * MIN)",
    "zoom": "c.zoomed([0, DAY], DAY / 2, 0.5, 10 * DAY, 400 * DAY).map((ms) => ms / HOUR)",
    "zoom least": "(([a, b]) => b - a)(c.zoomed([0, HOUR], 5, 0.0001, 10 * DAY, 400 * DAY)) / MIN",
    "zoom end": "c.zoomed([9 * DAY, 10 * DAY], 10 * DAY, 2, 10 * DAY, 400 * DAY).map((ms) => ms / DAY)",
    "shift end": "c.shifted([0, DAY], 5 * DAY, 2 * DAY).map((ms) => ms / DAY)",
    "table": "c.tableRows(plain(Array.from({ length: 1440 }, (_, i) => (i === 700 ? 9 : 1))), [T0, T0 + DAY])",
    "field": "[c.toField(T0), c.fromField('2026-11-18T18:06') - T0, c.fromField('')]",
    "order": (
        "f.listed(['rain_tips', 'rain_amount', 'water_distance_n', 'water_level', 'rain_last_tip_age']"
        ".map((property) => ({ property, node: 'a' })), 'flood', () => 0).map(({ property }) => property)"
    ),
    "panels": (
        "f.firstPanels(['rain_amount', 'water_level'].map((property) => ({ property, node: 'a' })), 'flood', () => 0)"
        ".map((one) => one?.property ?? null)"
    ),
    "no panels": "f.firstPanels([], '__proto__', () => 0)",
    "late": "['pm2_5', 'ispu'].map((property) => f.isLate({ property, ms: T0 - 20 * MIN }, 60, T0))",
    "just": "[120, 121].map((s) => f.isLate({ property: 'pm2_5', ms: T0 - s * 1000 }, 60, T0))",
    "fresh": "[-60, 0, 500].map((s) => f.freshness({ property: 'pm2_5', ms: T0 - s * 1000 }, 60, T0))",
    "no time": "f.freshness({ property: 'pm2_5', ms: NaN }, 60, T0)",
    "look": (
        "f.lookAt({ last_seen: new Date(T0).toISOString(), report_interval_s: 60, clock: 3, clock_offset_ms: 9000,"
        " health: { battery_mv: 3300, overwritten_records: 5, rssi: -99, uptime_ms: 1000 } }, T0).map(([what]) => what)"
    ),
    "look errors": (
        "[[[0, 'timeout', 9], [0, 'no_sample', 99]], [[0, 'timeout', 9], [1, 'checksum', 10]]].map((sensor_errors) => f.lookAt({ last_seen: new Date(T0).toISOString(),"
        " report_interval_s: 60, health: { sensor_errors, uptime_ms: 9e6 } }, T0).map(([what, values]) => [what, ...Object.values(values)]))"
    ),
    "look well": "f.lookAt({ last_seen: new Date(T0).toISOString(), report_interval_s: 60, clock: 3, health: { battery_mv: 0 } }, T0)",
    "look never": "f.lookAt({ last_seen: null, report_interval_s: 60, clock: null }, T0).map(([what]) => what)",
    "ranks": "[['siaga_1', 2, 3], ['siaga_3', 0, 3], ['bank', 1, 2], ['low', 0, 2]].map((one) => f.rankOf(...one))",
    "path": (
        "s.seriesPath({ id: 'a', station: 'a', nodes: [{ node: 'n' }] }, { property: 'p&q', node: 'n' }, [1.2, 2.2], { points: 5 })"
    ),
    "unplaced": "s.seriesPath({ id: 'n', station: null, nodes: [{ node: 'n' }] }, { property: 'p', node: 'n' }, [1, 2])",
    "detail": (
        "(({ at, readings, nodes, name }) => [at, readings[0].ms, nodes, name])(s.detailOf('x', { longitude: 106.6, latitude: -6.1,"
        " name: 'X', nodes: [{ node: 'n' }], readings: [{ observed_at: '2026-11-18T11:06:40Z' }] }))"
    ),
    "nothing": "s.detailOf('x', {}).nodes",
}  # fmt: skip


def test_ticks_are_round_and_carry_the_decimals_that_tell_them_apart(run):
    assert run["ticks"] == {"ticks": [2, 3, 4], "digits": 0}
    assert run["small ticks"] == {"ticks": [0.001, 0.002, 0.003, 0.004], "digits": 3}
    assert run["flat ticks"] == 1


def test_time_ticks_are_round_in_wib_and_midnight_is_marked(run):
    assert run["day ticks"] == [["17:00", True], ["23:00", False], ["05:00", False], ["11:00", False]]
    assert 1 <= run["many days"] <= 6
    assert run["midnights"] == ["2026-11-18T17:00:00.000Z", "2026-11-19T17:00:00.000Z"]


def test_scales_go_back_and_bear_a_flat_domain(run):
    assert run["back"] == 13.5
    assert run["flat scale"] is True


def test_an_answer_that_is_no_series_is_none_and_a_short_column_is_not_believed(run):
    assert run["no series"] == [None, None, None]
    assert run["short column"] == [1, 1]


def test_the_line_breaks_at_missing_readings_and_gaps_but_not_at_a_bad_one(run):
    assert run["runs"] == [[0, 1], [3, 4]]
    assert run["runs gap"] == [[0, 2], [3, 4]]
    assert run["runs bad"] == [[0, 2]]


def test_gaps_are_where_nothing_was_measured_up_to_the_present(run):
    assert run["gaps"] == [[-10, 0], [2, 30], [31, 50]]
    assert run["gap of missing"] == [[1, 5]]
    assert run["empty road"] == []
    assert run["no gap ahead"] == []
    assert run["all gap"] == [3_600_000]


def test_flagged_readings_are_marked_but_an_empty_road_is_no_fault(run):
    assert run["marks"] == [1, 2]


def test_a_point_of_many_readings_is_not_drawn_at_one_that_failed(run):
    assert run["bad last"] == 3
    assert run["failed"] == [55]
    assert run["failed extent"] is True


def test_what_is_known_of_the_last_reading_is_not_said_of_all(run):
    assert run["road marks"] == []
    assert run["reason"] == ["rate", None]


def test_the_nearest_reading_is_found(run):
    assert run["nearest"] == [0, 0, 1, 2, 2]
    assert run["nearest none"] == -1


def test_zero_is_the_base_of_counts_and_never_of_levels(run):
    assert 1.9 < run["level"]["low"] < 2 and 2.5 < run["level"]["high"] < 2.6
    assert run["counts"]["low"] == 0 and run["counts"]["high"] > 9


def test_the_noise_of_a_still_river_is_no_flood(run):
    assert run["still"] >= 0.2


def test_a_bad_reading_does_not_press_the_rest_flat_but_a_peak_within_a_bucket_counts(run):
    assert run["bad peak"] is True
    assert run["peak in bucket"] is True
    assert run["all bad"] is True


def test_thresholds_near_are_in_view_and_far_ones_are_named(run):
    assert run["thresholds"]["high"] > 3
    assert run["thresholds"]["beyond"] == [{"value": 40}]
    assert run["empty"]["low"] < 2.5 < run["empty"]["high"]


def test_paths(run):
    assert run["band"] == ""
    assert run["wide band"] == "M0 5L1 2L1 1L0 0Z"
    assert run["dot"] == "M0 7h0"
    assert run["step"] == "M0 4H1V3"
    assert run["bars"] == "M-7.6 0V2h8.6V0Z"


def test_zoom_and_shift_stay_within_bounds(run):
    assert run["zoom"] == [6, 18]
    assert run["zoom least"] == 10
    assert run["zoom end"] == [8, 10]
    assert run["shift end"] == [1, 2]


def test_the_table_is_short_and_keeps_the_peak(run):
    rows = run["table"]
    assert len(rows) <= 97
    assert sum(row["n"] for row in rows) == 1440
    assert [row["max"] for row in rows].count(9) == 1


def test_date_fields_are_wib(run):
    assert run["field"][0] == "2026-11-18T18:06"
    assert run["field"][1] == -40_000
    assert run["field"][2] is None


def test_readings_stand_in_the_order_in_which_they_are_read(run):
    assert run["order"] == ["water_level", "rain_amount", "water_distance_n"]
    assert run["panels"] == ["water_level", "rain_amount"]
    assert run["no panels"] == [None, None]


def test_a_reading_is_late_after_two_of_its_own_intervals(run):
    assert run["late"] == [True, False]
    assert run["just"] == [False, True]
    assert run["fresh"] == ["ahead", "live", "late"]
    assert run["no time"] == "late"


def test_a_technician_is_told_what_to_look_at(run):
    assert run["look"] == ["battery", "overwritten", "offset", "signal", "restarted"]
    assert run["look errors"] == [[], [["sensor", 19, 1, "checksum"]]]
    assert run["look well"] == []
    assert run["look never"] == ["never"]


def test_thresholds_have_the_colour_of_their_siaga(run):
    assert run["ranks"] == [4, 2, 4, 3]


def test_a_series_is_asked_for_by_station_or_by_the_node_that_stands_nowhere(run):
    assert run["path"] == "/api/series?station=a&property=p%26q&from=1&to=3&points=5"
    assert run["unplaced"] == "/api/series?node=n&property=p&from=1&to=2"


def test_an_answer_is_taken_over_whole_and_one_of_nearly_nothing_too(run):
    assert run["detail"] == [[106.6, -6.1], T0, [{"report_interval_s": 60, "node": "n"}], "X"]
    assert run["nothing"] == []
