"""Prometheus metrics: the bridge's own figures and the state of its network, nothing kept between scrapes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric

# name, or name{label="value",...} for figures that exist several times, such as the lag of each sink
_NAME = re.compile(r'([a-z][a-z0-9_]*)(?:\{((?:[a-z_]+="[^"\\\n]*",?)+)\})?')
_LABEL = re.compile(r'([a-z_]+)="([^"\\\n]*)"')
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Figures:
    """A prometheus_client collector over plain numbers."""

    def __init__(self, figures: Mapping[str, float]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Yield one family per name; *_total are counters, all else gauges."""
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for key, value in self._figures.items():
            match = _NAME.fullmatch(key)
            if match is None:
                message = f'the figure {key!r} is not named name or name{{label="value"}}'
                raise ValueError(message)
            labels = dict(_LABEL.findall(match[2] or ""))
            name = f"pantau_{match[1]}"
            if name not in families:
                kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
                families[name] = kind(name, match[1].replace("_", " "), labels=list(labels))
            families[name].add_metric(list(labels.values()), value)
        yield from families.values()


def exposition(figures: Mapping[str, float]) -> bytes:
    """Return the Prometheus text of `figures`: {name: number}, names without the pantau_ prefix."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(figures))
    return generate_latest(registry)
