"""A chart as one page that needs nothing else: the picture as SVG within it, and what it shows in tables, for screen readers too."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

from pantau_sim.plot.words import clock, number, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pantau_sim.plot.model import Chart
    from pantau_sim.plot.words import Lang

MOST_EVENTS = 2000
_STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:84rem;padding:0 1rem;color:#222}"
    "figure{margin:0;overflow-x:auto}svg{max-width:100%;height:auto}table{border-collapse:collapse;margin:1rem 0}"
    "caption{text-align:left;font-weight:700;font-size:1.15rem;padding:.3rem 0}"
    "th,td{border-bottom:1px solid #ddd;padding:.25rem .7rem .25rem 0;text-align:left;vertical-align:top}"
    "td.n{white-space:nowrap;font-variant-numeric:tabular-nums}"
)


def html(chart: Chart, svg: bytes, lang: Lang) -> str:
    """Return the whole HTML."""
    drawing = svg.decode()
    drawing = drawing[drawing.index("<svg") :]
    label = escape(f"{chart.title}. {say('about', lang)}", quote=True)
    drawing = drawing.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    title = escape(f"{chart.title} – {chart.name}, {say('seed', lang)} {chart.seed}")
    return "\n".join(
        (
            f'<!doctype html>\n<html lang="{lang}"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body><main>",
            f"<h1>{title}</h1><p>{escape(say('about', lang))}</p>",
            f"<figure>{drawing}</figure>",
            *_series(chart, lang),
            *_events(chart, lang),
            "</main></body></html>\n",
        )
    )


def _series(chart: Chart, lang: Lang) -> Iterator[str]:
    rows = []
    for place in chart.places:
        for panel in place.panels:
            counts = Counter(judged.quality for judged in panel.judged)
            told = ", ".join(f"{say(f'q{quality}', lang)} {counts[quality]}" for quality in sorted(counts))
            greatest = [max((value for _, value in series), default=None) for series in (panel.truth, panel.node)]
            figures = f"{' / '.join(number(value, lang) for value in greatest)} {say(panel.unit, lang)}"
            rows.append((f"{place.title} ({place.id})", say(panel.what, lang), figures, told or say("none", lang)))
    yield from _table(
        say("series", lang), [say(key, lang) for key in ("station", "quantity", "greatest", "readings")], rows
    )


def _events(chart: Chart, lang: Lang) -> Iterator[str]:
    titles = {place.id: place.title for place in chart.places} | {"*": say("city", lang)}
    rows = [
        (clock(event.at_ms, lang), titles.get(event.station, event.station), say(event.kind, lang), event.text)
        for event in chart.events[:MOST_EVENTS]
    ]
    if not rows:
        rows = [("–", "–", "–", say("none", lang))]
    yield from _table(say("events", lang), [say(key, lang) for key in ("time", "station", "kind", "what")], rows)
    if len(chart.events) > MOST_EVENTS:
        yield f"<p>{len(chart.events) - MOST_EVENTS} {escape(say('more', lang))}.</p>"


def _table(caption: str, heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"<table><caption>{escape(caption)}</caption><thead><tr>"
    yield "".join(f'<th scope="col">{escape(head)}</th>' for head in heads) + "</tr></thead><tbody>"
    for first, *rest in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        yield f'<tr><td class="n">{escape(first)}</td>{cells}</tr>'
    yield "</tbody></table>"
