"""Prometheus metrics: the bridge's own figures and the state of its network, nothing kept between scrapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from pantau.ops.figures import PREFIX, Figure, parse, row_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_UNKNOWN = "A figure of a part that says no more about it"  # a test fails on it; a scrape must not


class _Figures:
    """A prometheus_client collector over plain numbers."""

    def __init__(self, figures: Mapping[str, float]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Yield one family per name, with the help of the table."""
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        histograms: dict[str, dict[str, float]] = {}
        for figure, value in self._figures.items():
            written, labels = parse(figure)
            name, row = row_of(written) or (written, _guess(written, labels))
            if row.kind == "histogram":
                histograms.setdefault(name, {})[labels.get("le", written)] = value
                continue
            if name not in families:
                kind = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
                families[name] = kind(f"{PREFIX}{name}", row.help, labels=list(labels))
            families[name].add_metric(list(labels.values()), value / 1000 if written.endswith("_ms") else value)
        yield from families.values()
        for name, parts in histograms.items():
            yield _histogram(name, parts)


def _guess(name: str, labels: Mapping[str, str]) -> Figure:
    return Figure("counter" if name.endswith("_total") else "gauge", _UNKNOWN, tuple(labels))


def _histogram(name: str, parts: dict[str, float]) -> HistogramMetricFamily:
    """Return the family of {upper bound: count, name_sum: sum}."""
    row = row_of(name)
    family = HistogramMetricFamily(f"{PREFIX}{name}", row[1].help if row else _UNKNOWN)
    buckets = [(bound, count) for bound, count in parts.items() if not bound.startswith(name)]
    family.add_metric([], buckets, parts.get(f"{name}_sum", 0.0))
    return family


def exposition(figures: Mapping[str, float]) -> bytes:
    """Return the Prometheus text of `figures`: {name: number}, names as in pantau.ops.figures."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(figures))
    return generate_latest(registry)
