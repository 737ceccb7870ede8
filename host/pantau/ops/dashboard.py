"""The Grafana dashboard and the Prometheus rules, built from the table of figures: a name that is not in it cannot be drawn.

`python -m pantau.ops.dashboard` writes the files in templates/; a test compares them with what is built here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from pantau.ops.figures import FIGURES, PREFIX

_WIDTH, _HEIGHT = 8, 7  # of a panel, in Grafana's grid of 24 columns
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_FIGURE = re.compile(r"\{(\w+)\}")
DASHBOARD, RULES = "grafana-dashboard.json", "prometheus-alerts.yml"


class Panel(NamedTuple):
    """One panel: queries with `{figure}` for names of the table, each with its legend; `unit` is Grafana's name."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


# Of one city; several bridges of it are told apart by their instance.
_OF = '{job="$job"}'
PANELS: dict[str, tuple[Panel, ...]] = {
    "Is all well?": (
        Panel("Problems", "short", (("{problems}" + _OF, "{{instance}}"),), "stat"),
        Panel("Nodes", "short", (("sum by (state) ({nodes}" + _OF + ")", "{{state}}"),)),
        Panel("Delivered of what nodes made", "percentunit", (("{nodes_delivered_ratio}" + _OF, "quantile {{quantile}}"),)),
    ),
    "In": (
        Panel(
            "Frames per second",
            "short",
            (
                ("rate({frames_stored_total}" + _OF + "[5m])", "stored"),
                ("rate({frames_redelivered_total}" + _OF + "[5m])", "again"),
            ),
        ),
        Panel(
            "Commit latency",
            "s",
            tuple(
                (f"histogram_quantile({q}, sum by (le) (rate({{commit_latency_seconds}}_bucket{_OF}[5m])))", f"p{q * 100:g}")
                for q in (0.5, 0.99)
            ),
        ),
        Panel(
            "Window of a session",
            "short",
            (("{window_messages}" + _OF, "granted"), ("{inflight_messages}" + _OF, "in flight")),
        ),
        Panel("Broker sessions", "short", (("{partitions_connected}" + _OF, "connected"),)),
        Panel("Refused per minute", "short", (("60 * rate({frames_refused_total}" + _OF + "[5m])", "{{reason}}"),)),
        Panel("Frames declared gone by nodes", "short", (("increase({frames_declared_gone_total}" + _OF + "[1h])", "in 1 h"),)),
    ),
    "Spool and disk": (
        Panel("Spool", "bytes", (("{spool_bytes}" + _OF, "used"), ("{spool_limit_bytes}" + _OF, "limit"))),
        Panel("Disk", "bytes", (("{disk_free_bytes}" + _OF, "free"), ("{disk_size_bytes}" + _OF, "size"))),
        Panel("Quarantine", "short", (("{quarantine_entries}" + _OF, "entries"),)),
    ),
    "Out": (
        Panel("Sink lag", "s", (("{sink_lag_seconds}" + _OF, "{{sink}}"),)),
        Panel("Observations per second", "short", (("rate({sink_observations_total}" + _OF + "[5m])", "{{sink}}"),)),
        Panel("Rejected by sinks", "short", (("increase({sink_rejected_total}" + _OF + "[1h])", "{{sink}} in 1 h"),)),
        Panel("Acknowledgements due", "short", (("{acks_due}" + _OF, "due"),)),
        Panel("Notices waiting", "short", (("{notices_waiting}" + _OF, "{{channel}}"),)),
        Panel("Memory", "bytes", (("{resident_bytes}" + _OF, "{{process}}"),)),
        Panel("Since the last backup", "s", (("time() - {backup_time_seconds}" + _OF, "{{instance}}"),)),
    ),
}  # fmt: skip


class Rule(NamedTuple):
    """One alert for the people who run the bridge: condition, for how long, how bad, what to do."""

    name: str
    condition: str
    hold: str
    severity: str
    text: str


RULES_OF_BRIDGE = (
    Rule("PantauDown", 'up{job="pantau"} == 0', "2m", "critical", "The bridge does not answer: systemctl status pantau-bridge"),
    Rule("PantauProblem", "{problems} > 0", "5m", "warning", "Something is wrong: pantau bridge status says what and what to do"),
    Rule("PantauDiskRefuses", "increase({commit_failures_total}[5m]) > 0", "1m", "critical",
         "The disk refuses commits: nothing is acknowledged, nodes keep their frames. Free space or raise [spool] max_mib"),
    Rule("PantauSpoolFills", "{spool_bytes} > 0.9 * {spool_limit_bytes}", "10m", "warning",
         "The spool is near its limit: look for a sink that lags, or raise [spool] max_mib"),
    Rule("PantauDiskLow", "{disk_free_bytes} < 0.1 * {disk_size_bytes}", "10m", "warning", "The data folder's disk is nearly full"),
    Rule("PantauBrokerLost", "{broker_connected} == 0", "2m", "critical", "No session with the broker: look at the broker and the network"),
    Rule("PantauSessionsForgotten", "increase({broker_sessions_forgotten_total}[10m]) > 0", "0m", "warning",
         "The broker forgot sessions that it should have kept: is its persistence on? Nodes send again what it lost"),
    Rule("PantauSinkLags", "{sink_lag_seconds} > 600", "10m", "warning", "The sink {{ $labels.sink }} is ten minutes behind: look at its target"),
    Rule("PantauNobodyTold", "{notice_channel_working} == 0 or {notices_oldest_seconds} > 600", "5m", "critical",
         "The channel {{ $labels.channel }} does not tell of alerts: pantau notify status says why"),
    Rule("PantauCommitSlow", "histogram_quantile(0.99, sum by (le, instance) (rate({commit_latency_seconds}_bucket[10m]))) > 0.05", "10m", "warning",
         "Commits take more than 50 ms: look at the disk"),
    Rule("PantauCertificateEnds", "{certificate_expires_seconds} < 30 * 86400", "1h", "warning",
         "The certificate of {{ $labels.of }} ends within 30 days: pantau bridge status says how to renew it"),
    Rule("PantauConflict", "increase({frames_conflict_total}[1h]) > 0", "0m", "warning",
         "Two frames had one identity: pantau quarantine list --reason conflict"),
    Rule("PantauForgery", 'increase({frames_refused_total}{reason="bad_tag"}[1h]) > 10', "0m", "warning",
         "Frames with a wrong tag: a node with an old key, or somebody who is none"),
    Rule("PantauNodesOffline", 'sum by (instance) ({nodes}{state="offline"}) > 0.1 * sum by (instance) ({nodes})', "15m", "warning",
         "More than a tenth of the nodes are offline: a broker, a network or a power cut rather than nodes"),
    Rule("PantauNoBackup", "time() - {backup_time_seconds} > 2 * 86400", "1h", "warning",
         "No backup for two days: pantau bridge backup"),
)  # fmt: skip


def named(expression: str) -> str:
    """Return a query with the metrics' names in the place of `{figure}`. KeyError for a figure that is not in the table."""

    def name(match: re.Match[str]) -> str:
        if match[1] not in FIGURES:
            raise KeyError(match[1])
        return f"{PREFIX}{match[1]}"

    return _FIGURE.sub(name, expression)


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in PANELS.items():
        panels.append(_placed(panels, {"type": "row", "title": title, "collapsed": False, "panels": []}, 0, top, 24, 1))
        top += 1
        for number, panel in enumerate(row):
            x, y = _WIDTH * (number % 3), top + _HEIGHT * (number // 3)
            panels.append(_placed(panels, _panel(panel), x, y, _WIDTH, _HEIGHT))
        top += _HEIGHT * -(-len(row) // 3)
    return {
        "title": "Pantau bridge", "uid": "pantau-bridge", "tags": ["pantau"], "schemaVersion": 39, "version": 1,
        "editable": True, "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "timezone": "browser",
        "templating": {"list": [
            {"name": "source", "type": "datasource", "query": "prometheus", "label": "Data source"},
            {"name": "job", "type": "query", "label": "Job", "datasource": _SOURCE, "refresh": 2,
             "query": {"query": f"label_values({named('{build_info}')}, job)", "refId": "job"}},
        ]},
        "panels": panels,
    }  # fmt: skip


def _placed(before: list[dict[str, Any]], panel: dict[str, Any], x: int, y: int, w: int, h: int) -> dict[str, Any]:
    return {"id": len(before) + 1, "gridPos": {"x": x, "y": y, "w": w, "h": h}} | panel


def _panel(panel: Panel) -> dict[str, Any]:
    told = dict.fromkeys(FIGURES[name].help for query, _ in panel.queries for name in _FIGURE.findall(query))
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": ". ".join(told),
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": _SOURCE, "expr": named(query), "legendFormat": legend}
            for number, (query, legend) in enumerate(panel.queries)
        ],
    }


def rules() -> str:
    """Return the alerting rules as Prometheus reads them: YAML, written as the JSON values that YAML contains."""
    out = [
        "# Alerts for the people who run the bridge; those of the city come from the bridge itself (docs/alerts.md).",
        "groups:",
        "  - name: pantau",
        "    rules:",
    ]
    for rule in RULES_OF_BRIDGE:
        out += [
            f"      - alert: {rule.name}",
            f"        expr: {json.dumps(named(rule.condition))}",
            f"        for: {rule.hold}",
            f"        labels: {{severity: {rule.severity}}}",
            f"        annotations: {{summary: {json.dumps(rule.text)}}}",
        ]
    return "\n".join(out) + "\n"


def built() -> dict[str, str]:
    """Return the files by name."""
    return {DASHBOARD: json.dumps(dashboard(), indent=1) + "\n", RULES: rules()}


if __name__ == "__main__":
    for file, content in built().items():
        Path(__file__).parents[1].joinpath("templates", file).write_text(content, encoding="utf-8")
