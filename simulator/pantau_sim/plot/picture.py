"""A chart as a picture. Figures are matplotlib's, drawn in memory; the same chart gives the same bytes with the same matplotlib."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pantau_sim.plot.words import QUALITIES, ZONE, date, local, number, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from matplotlib.axes import Axes

    from pantau_sim.plot.model import Band, Chart, Judged, Lane, Panel
    from pantau_sim.plot.words import Lang

# Okabe and Ito's palette, told apart by people who do not see red and green; shapes and words say the same again.
# Truth is a broad pale line, so that what lies on it is seen.
_INK, _TRUTH, _NODE = "#333333", "#b9b9b9", "#555555"
_QUALITY = {1: ("#0072B2", "o", 5), 2: ("#56B4E9", "s", 6), 3: ("#E69F00", "^", 16), 4: ("#D55E00", "x", 18)}
_SEVERITY = {0: "#999999", 1: "#F0E442", 2: "#E69F00", 3: "#D55E00", 4: "#7A1F6B"}
_KIND = {"fault": "#555555", "ailment": "#009E73", "client": "#CC79A7"}
_DARK = {"#D55E00", "#7A1F6B", "#555555", "#009E73"}

_WIDTH_IN, _PANEL_IN, _LANE_IN, _HEAD_IN, _FOOT_IN, _DPI = 13.0, 1.75, 0.19, 0.95, 0.55, 110
_GAP_IN = 0.34
_LEFT, _RIGHT = 0.125, 0.975
_MANY = 1500  # points of an SVG beyond which they are a picture within it
_LABEL = 0.05  # of the time axis: a band wider than this has its word in it
_STEPS_MIN = (5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080)
_TICKS = 14
_MINUTE_MS = 60_000
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 8, "svg.hashsalt": "pantau", "svg.fonttype": "path", "path.simplify": False, "text.parse_math": False,
    "axes.edgecolor": "#bbbbbb", "text.color": _INK, "axes.labelcolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
}  # fmt: skip


def ticks(start_ms: int, end_ms: int, lang: Lang) -> list[tuple[int, str]]:
    """Return (instant, label): whole local hours or days, the date below the first of each day."""
    minutes = (end_ms - start_ms) / _MINUTE_MS
    step_ms = next((s for s in _STEPS_MIN if minutes / s <= _TICKS), _STEPS_MIN[-1]) * _MINUTE_MS
    offset_ms = 7 * 60 * _MINUTE_MS
    first = -(-(start_ms + offset_ms) // step_ms) * step_ms - offset_ms
    out, day = [], ""
    for at_ms in range(first, end_ms + 1, step_ms):
        today = date(at_ms, lang)
        out.append((at_ms, f"{local(at_ms):%H:%M}" + (f"\n{today}" if today != day else "")))
        day = today
    return out


def render(chart: Chart, lang: Lang, kind: Literal["png", "svg"]) -> bytes:
    """Return the chart as PNG or SVG."""
    out = io.BytesIO()
    with mpl.rc_context():
        mpl.rcdefaults()  # nothing of what the person who calls has set for figures of their own
        mpl.rcParams.update(_STYLE)
        figure = _figure(chart, lang)
        # Neither the date nor the version of the library: the picture is what was drawn.
        metadata: dict[str, Any] = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        figure.savefig(out, format=kind, metadata=metadata)
    return out.getvalue()


def _figure(chart: Chart, lang: Lang) -> Figure:
    rows: list[tuple[float, Panel | Sequence[Lane], str]] = []
    for place in chart.places:
        for index, panel in enumerate(place.panels):
            rows.append((_PANEL_IN, panel, "" if index else f"{place.title} ({place.id})"))
        if place.lanes:
            rows.append((_LANE_IN * len(place.lanes), place.lanes, ""))
    if chart.lanes:
        rows.append((_LANE_IN * len(chart.lanes), chart.lanes, say("city", lang)))
    heights = [height for height, _, _ in rows]
    gaps = [_GAP_IN if title else 0.09 for _, _, title in rows]
    whole = sum(heights) + sum(gaps) + _HEAD_IN + _FOOT_IN
    figure = Figure(figsize=(_WIDTH_IN, whole), dpi=_DPI)
    FigureCanvasAgg(figure)
    top = whole - _HEAD_IN
    for (height, what, title), gap in zip(rows, gaps, strict=True):
        top -= gap
        axes = figure.add_axes((_LEFT, (top - height) / whole, _RIGHT - _LEFT, height / whole))
        top -= height
        if title:
            axes.set_title(title, loc="left", fontsize=9, fontweight="bold", pad=4)
        if isinstance(what, tuple | list):
            _draw_lanes(axes, what, chart, lang)
        else:
            _draw_panel(axes, what, lang)  # type: ignore[arg-type]  # a panel is no sequence
        _time_axis(axes, chart, lang, last=what is rows[-1][1])
    _head(figure, chart, lang, whole)
    return figure


def _head(figure: Figure, chart: Chart, lang: Lang, whole: float) -> None:
    begin, end = (f"{date(ms, lang)} {local(ms):%Y %H:%M}" for ms in (chart.start_ms, chart.end_ms))
    figure.text(_LEFT, 1 - 0.22 / whole, chart.title, fontsize=13, fontweight="bold", va="center")
    about = f"{chart.name}, {say('seed', lang)} {chart.seed} · {begin} – {end} {ZONE}"
    figure.text(_LEFT, 1 - 0.46 / whole, about, fontsize=9, va="center")
    handles: list[Any] = [
        Line2D([], [], color=_TRUTH, lw=4, label=say("truth", lang)),
        Line2D([], [], color=_NODE, lw=0.8, label=say("node", lang)),
    ]
    for quality in QUALITIES:
        color, marker, size = _QUALITY[quality]
        label = f"{say('platform', lang)}: {say(f'q{quality}', lang)}"
        handles.append(Line2D([], [], color=color, marker=marker, ls="", ms=max(3.0, size**0.5), label=label))
    handles.append(Line2D([], [], color=_INK, marker="o", mfc="none", ls="", ms=4, mew=0.7, label=say("late", lang)))
    handles += [
        Patch(color=_SEVERITY[rank], label=f"{say('alert', lang).lower()}: {say(f's{rank}', lang)}")
        for rank in range(1, 5)
    ]
    handles += [Patch(color=color, label=say(kind, lang).lower()) for kind, color in _KIND.items()]
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(_LEFT - 0.008, 1 - 0.56 / whole), ncols=8, fontsize=7.5, frameon=False,
        columnspacing=1.4, handlelength=1.4, borderaxespad=0,
    )  # fmt: skip


def _time_axis(axes: Axes, chart: Chart, lang: Lang, *, last: bool) -> None:
    found = ticks(chart.start_ms, chart.end_ms, lang)
    axes.set_xlim(chart.start_ms, chart.end_ms)
    axes.set_xticks([at_ms for at_ms, _ in found], [label for _, label in found] if last else [""] * len(found))
    axes.grid(axis="x", color="#e4e4e4", lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=2 if last else 0)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_panel(axes: Axes, panel: Panel, lang: Lang) -> None:
    axes.set_ylabel(f"{say(panel.what, lang)}\n{say(panel.unit, lang)}")
    if panel.node:
        axes.plot(*zip(*panel.node, strict=True), color=_NODE, lw=0.6, zorder=1)
    for quality in QUALITIES:
        for late in (False, True):
            _scatter(
                axes,
                [j for j in panel.judged if (j.quality, j.late) == (quality, late)],
                many=len(panel.judged) > _MANY,
            )
    if panel.truth:
        axes.plot(*zip(*panel.truth, strict=True), color=_TRUTH, lw=4, zorder=0.5)
    low, high = axes.get_ylim()
    for name, level in panel.limits:
        if level <= high + 0.5 * (high - low):  # a level far above all that happened would flatten the rest
            axes.axhline(level, color="#aa3377", lw=0.7, ls=(0, (4, 3)), zorder=0)
            axes.annotate(
                f"{name} {number(level, lang)}", (1, level), xycoords=("axes fraction", "data"), fontsize=6.5, color="#aa3377",
                ha="right", va="bottom",
            )  # fmt: skip
    if lang == "id":
        axes.yaxis.set_major_formatter(lambda value, _at: f"{value:g}".replace(".", ","))


def _scatter(axes: Axes, readings: Sequence[Judged], *, many: bool) -> None:
    """Draw readings of one flag, all in time or all late: those are rings."""
    points = [(reading.at_ms, reading.value) for reading in readings if reading.value is not None]
    if not points:
        return
    color, marker, size = _QUALITY[readings[0].quality]
    at, values = zip(*points, strict=True)
    ring = readings[0].late and marker != "x"
    colors: dict[str, Any] = {"facecolors": "none", "edgecolors": color} if ring else {"c": color}
    width = 1.0 if marker == "x" else 0.7 if ring else 0
    axes.scatter(
        at, values, s=2.5 * size if ring else size, marker=marker, linewidths=width, zorder=1 + readings[0].quality, rasterized=many,
        **colors,
    )  # fmt: skip


def _draw_lanes(axes: Axes, lanes: Sequence[Lane], chart: Chart, lang: Lang) -> None:
    for row, lane in enumerate(lanes):
        for band in lane.bands:
            _draw_band(axes, row, lane, band, chart, lang)
    axes.set_ylim(len(lanes) - 0.5, -0.5)
    axes.set_yticks(
        range(len(lanes)), [lane.name if lane.kind == "alert" else say(lane.name, lang) for lane in lanes], fontsize=7
    )
    axes.spines["left"].set_visible(False)


def _draw_band(axes: Axes, row: int, lane: Lane, band: Band, chart: Chart, lang: Lang) -> None:
    whole = chart.end_ms - chart.start_ms
    begin, end = max(band.start_ms, chart.start_ms), min(band.end_ms, chart.end_ms)
    color = _SEVERITY[band.severity] if lane.kind == "alert" else _KIND[lane.kind]
    # A fault of a second would be thinner than a hair.
    width = max(end - begin, whole / 1500)
    axes.barh(
        row, width, 0.74, begin, color=color, hatch="////" if band.past else None, edgecolor="white", linewidth=0.3
    )
    if lane.kind == "alert" and width > _LABEL * whole:
        ink = "white" if color in _DARK else _INK
        axes.text(begin + 0.004 * whole, row, say(f"s{band.severity}", lang), fontsize=6.5, color=ink, va="center")
