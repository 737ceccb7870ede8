"""What tests of the NGSI-LD sink share: a sink on a stub in this process, and what the stub was told."""

from __future__ import annotations

import json

from pantau.sinks import Context
from pantau.sinks import _ngsi_entities as sdm
from pantau.sinks.ngsi_ld import NgsiLdTable, open_sink
from sinks import kit as kits

UPSERT = "/ngsi-ld/v1/entityOperations/upsert?options=update"
FLOOD = "urn:ngsi-ld:FloodMonitoring:tng:flood-00"


def opened(stub, tmp_path, **settings):
    table = NgsiLdTable(url=stub.url, lab_plain=True, timeout_s=0.5, **settings)
    return open_sink(table, Context(kits.CITY, kits.LOG, tmp_path, kits.registry()))


def kinds(verdicts):
    return [verdict.kind for verdict in verdicts]


def level(stub, entity=FLOOD):
    return stub.store.entities[entity]["currentLevel"]["value"]


def levels(stub, entity=FLOOD):
    """Return all levels in the history, [(ms, value, quality)]."""
    told = stub.store.temporal.get(entity, {}).get("currentLevel", [])
    return sorted((sdm.milliseconds(i["observedAt"]), i["value"], i[sdm.QUALITY]["value"]) for i in told)


def upserts(stub):
    return [json.loads(r.body) for r in stub.requests if r.target == UPSERT]
