"""Every number that the bridge gives away, in one table: metrics, dashboard, status view and alert rules take names from here.

A figure is `name` or `name{label="value",...}`, as `key` makes it; the metric is the same with `pantau_` before it. Base units:
seconds and bytes; counters end in _total, and a figure in _ms is given away in seconds. What has no row here fails a test.
"""

from __future__ import annotations

import re
import shutil
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

PREFIX = "pantau_"
_KEY = re.compile(r'([a-z][a-z0-9_]*)(?:\{((?:[a-z_]+="[^"\\\n]*",?)+)\})?')
_LABEL = re.compile(r'([a-z_]+)="([^"\\\n]*)"')
_UNSAFE = re.compile(r'["\\\n]')
Kind = Literal["counter", "gauge", "histogram"]
_PARTS = ("_bucket", "_sum", "_count")  # of a histogram, as figures carry it


class Figure(NamedTuple):
    """What one name means to people."""

    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


_GAUGES: dict[str, tuple[str, ...]] = {
    "build_info": ("Always 1; the labels say what runs", "version", "city", "python", "sqlite"),
    "start_time_seconds": ("When the bridge started, Unix seconds",),
    "problems": ("Things that are wrong now; /healthz and `pantau bridge status` name them",),
    "spool_last_id": ("Id of the newest frame in the spool",),
    "spool_bytes": ("Size of the spool without the free pages in it",),
    "spool_limit_bytes": ("Size at which the bridge stops acknowledging: [spool] max_mib",),
    "spool_oldest_seconds": ("Age of the oldest frame in the spool",),
    "quarantine_entries": ("Entries in the quarantine now",),
    "disk_free_bytes": ("Free space where the data folder lies",),
    "disk_size_bytes": ("Size of the file system of the data folder",),
    "resident_bytes": ("Resident memory", "process"),
    "commit_seconds": ("Time from taking a batch to its durable commit, of the last 1,000 commits", "quantile"),
    "inbox_messages": ("Messages received and not yet committed",),
    "acks_due": ("Acknowledgements to nodes that wait for being sent",),
    "boots_unsaved": ("Boots that the log's tail has to bring back after a crash",),
    "serial_ports_open": ("Serial ports that are open",),
    "certificate_expires_seconds": ("For how long a certificate is still valid; of the nodes the first that ends", "of"),
    "fleet_orders_open": ("Orders to nodes that are not answered yet",),
    "fleet_updates_active": ("Nodes that are being sent a release now",),
    "nodes_linked": ("Nodes that their links say are connected",),
    "nodes": ("Nodes by state", "state"),
    "nodes_delivered_ratio": ("Frames stored of frames that a node is known to have made: over all nodes", "quantile"),
    "nodes_incomplete": ("Nodes of which frames are missing: not yet delivered, or declared overwritten",),
    "broker_connected": ("Whether any session with the broker stands, 1 or 0",),
    "partitions_connected": ("Partition sessions that are connected and subscribed, of 64",),
    "window_messages": ("Unacknowledged messages that the broker grants one session; 0 while unknown",),
    "window_frames_per_second": ("Rate that the window allows at the measured commit latency: window / (latency + round trip)",),
    "inflight_messages": ("Messages received and not yet confirmed to the broker",),
    "sink_lag_frames": ("Frames in the spool that the sink has not taken", "sink"),
    "sink_lag_seconds": ("Age of the oldest frame that the sink has not taken; 0 when it has all", "sink"),
    "sink_dead_letters": ("Frames in the quarantine that the sink rejected", "sink"),
    "sink_working": ("Whether the sink takes what it is given, 1 or 0", "sink"),
    "partitions_held": ("Partition sessions that this bridge is to hold",),
    "cluster_partitions": ("Partitions that this bridge appends to the shared log for",),
    "lease_valid": ("Whether this bridge's lease is confirmed, 1 or 0",),
    "lease_partitions_held": ("Partitions that this bridge holds by lease",),
    "lease_bridges_live": ("Bridges that share the city, as this one sees it",),
    "alerts_open": ("Alerts that stand now", "severity"),
    "notices_waiting": ("Notices that the channel has still to tell", "channel"),
    "notices_oldest_seconds": ("For how long the oldest notice of the channel is due; 0 when it has told all", "channel"),
    "notice_channel_working": ("Whether the channel takes what it is given, 1 or 0", "channel"),
    "backup_time_seconds": ("When the last backup of this bridge was finished, Unix seconds; 0 for never",),
}  # fmt: skip
_COUNTERS: dict[str, tuple[str, ...]] = {
    "fleet_orders_sent_total": ("Orders sent to nodes for the first time",),
    "fleet_orders_again_total": ("Orders sent once more, for want of an answer",),
    "fleet_orders_answered_total": ("Orders that a node has answered",),
    "fleet_orders_expired_total": ("Orders that no node answered in their time",),
    "fleet_update_bytes_total": ("Bytes of releases sent to nodes",),
    "frames_received_total": ("Messages that were judged",),
    "frames_stored_total": ("Frames made durable",),
    "frames_redelivered_total": ("Frames that came again with the same bytes: acknowledged again, stored once",),
    "frames_conflict_total": ("Frames that came again with other bytes under the same identity",),
    "frames_quarantined_total": ("Messages put into quarantine, conflicts included",),
    "frames_refused_total": ("Messages put into quarantine", "reason"),
    "frames_declared_gone_total": ("Frames that nodes declared overwritten before they could be delivered",),
    "acks_sent_total": ("Acknowledgements sent to nodes",),
    "time_sent_total": ("Answers to nodes that asked for the time",),
    "commits_total": ("Durable commits",),
    "commit_failures_total": ("Commits that the disk refused; nothing was acknowledged for them",),
    "broker_reconnects_total": ("Connections to the broker that had to be made again",),
    "broker_sessions_forgotten_total": ("Sessions that the broker should have kept and had not",),
    "serial_opened_total": ("Serial ports opened, again and again where one comes and goes",),
    "serial_passed_over_total": ("Pieces on a serial port that were no packet: text, noise, damage", "port"),
    "quarantine_dropped_total": ("Entries that the quarantine's bounds pushed out",),
    "sink_delivered_total": ("Frames that the sink took", "sink"),
    "sink_observations_total": ("Observations that the sink took", "sink"),
    "quality_defects_total": ("Parts of frames that quality control could not judge for a defect of ours", "sink"),
    "sink_rejected_total": ("Frames that the sink rejected for good", "sink"),
    "sink_superseded_total": ("Readings that the target could not take because it has a newer one", "sink"),
    "sink_unrevised_total": ("Later verdicts and dates that found nothing to change in the target", "sink"),
    "observations_total": ("Observations decoded", "quality"),
    "revisions_total": ("Observations whose verdict or date became known later",),
    "alerts_raised_total": ("Alerts raised", "severity"),
    "notices_sent_total": ("Notices that the channel told", "channel"),
    "notices_failed_total": ("Notices that the channel refused or could not tell in time", "channel"),
    "spool_pruned_frames_total": ("Frames that retention let go of, all of them taken by every sink",),
    "store_pruned_observations_total": ("Observations that aged out of the city store",),
    "cluster_appended_total": ("Messages appended to the shared log",),
    "cluster_refused_total": ("Messages that the shared log did not take; their frames were offered again",),
    "cluster_adopted_total": ("Messages of other bridges that were read before a partition was held",),
    "lease_takes_total": ("Partitions taken",),
    "lease_releases_total": ("Partitions given away in order",),
    "lease_fenced_partitions_total": ("Partitions lost at once, because a lease was not confirmed in time",),
    "log_lines_suppressed_total": ("Log lines held back because the same came too often",),
}  # fmt: skip
_HISTOGRAMS: dict[str, tuple[str, ...]] = {
    "commit_latency_seconds": ("Time from taking a batch to its durable commit",),
    "notice_delay_seconds": ("Time from the decision, or from when it was due, until the notice was told",),
}


def _rows(kind: Kind, table: Mapping[str, tuple[str, ...]]) -> dict[str, Figure]:
    return {name: Figure(kind, row[0], row[1:]) for name, row in table.items()}


FIGURES = _rows("gauge", _GAUGES) | _rows("counter", _COUNTERS) | _rows("histogram", _HISTOGRAMS)


def key(name: str, **labels: str) -> str:
    """Return the figure `name` with `labels`; what a label cannot carry becomes an underscore."""
    said = ",".join(f'{label}="{_UNSAFE.sub("_", value)}"' for label, value in labels.items())
    return f"{name}{{{said}}}" if said else name


def parse(figure: str) -> tuple[str, dict[str, str]]:
    """Return (name, labels) of a figure. ValueError when it is not written as one."""
    match = _KEY.fullmatch(figure)
    if match is None:
        message = f'the figure {figure!r} is not named name or name{{label="value"}}'
        raise ValueError(message)
    return match[1], dict(_LABEL.findall(match[2] or ""))


def row_of(name: str) -> tuple[str, Figure] | None:
    """Return (name in the table, its row) of a figure's name, None for one that has none."""
    base = f"{name[:-3]}_seconds" if name.endswith("_ms") else name
    if (row := FIGURES.get(base)) is not None:
        return base, row
    for part in _PARTS:
        whole = base.removesuffix(part)
        if whole != base and (row := FIGURES.get(whole)) is not None and row.kind == "histogram":
            return whole, row
    return None


def undocumented(figures: Iterable[str]) -> list[str]:
    """Return the figures that have no row, or other labels than their row: a test wants none."""
    wrong = []
    for figure in figures:
        name, labels = parse(figure)
        found = row_of(name)
        if found is None or set(labels) - {"le"} != set(found[1].labels):
            wrong.append(figure)
    return wrong


class Histogram:
    """Counts of durations by upper bound, in seconds; what Prometheus adds up over bridges and time."""

    # A fast disk takes 0.1 ms, an SD card 50, one that is dying seconds.
    BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

    def __init__(self, bounds_s: Sequence[float] = BOUNDS_S) -> None:
        self._bounds = tuple(bounds_s)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def figures(self, name: str) -> dict[str, float]:
        """Return the figures of the histogram `name`."""
        bounds = [*(repr(bound) for bound in self._bounds), "+Inf"]
        found: dict[str, float] = {
            f'{name}_bucket{{le="{bound}"}}': count
            for bound, count in zip(bounds, accumulate(self._counts), strict=True)
        }
        return found | {f"{name}_sum": self._sum, f"{name}_count": sum(self._counts)}


def disk_figures(folder: Path) -> dict[str, float]:
    """Return the room where `folder` lies; nothing when it cannot be told."""
    try:
        disk = shutil.disk_usage(folder)
    except OSError:
        return {}
    return {"disk_free_bytes": disk.free, "disk_size_bytes": disk.total}


def delivered_figures(nodes: Mapping[str, tuple[int, int]]) -> dict[str, float]:
    """Return how complete the nodes are, from {node: (frames known to have been made, frames stored)}.

    A node's frames are known from its own numbering: the highest number of each boot that was stored or declared.
    """
    ratios = sorted(stored / made if made else 1.0 for made, stored in nodes.values())
    if not ratios:
        return {}
    found = {
        f'nodes_delivered_ratio{{quantile="{quantile}"}}': ratios[min(len(ratios) - 1, int(quantile * len(ratios)))]
        for quantile in (0.0, 0.05, 0.5)
    }
    return found | {"nodes_incomplete": sum(ratio < 1 for ratio in ratios)}
