"""The reference of the NGSI-LD sink: curl, sending the very requests that the sink makes, to the same stub of a broker.

The stub is ours and single: the figures compare our client with curl, and say nothing about brokers.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from pantau import registry
from pantau.sinks import Context, ngsi_ld
from pantau.sinks.ngsi_ld import NgsiLdTable
from pantau_sim.servers import Missing, ngsi_stub

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.sinks import Sink
    from pantau_sim.servers.ngsi_stub import Request, Server

REFERENCE = "curl of the same requests"
serve = ngsi_stub.running
_LONGEST_S = 600


def open(server: Server, context: Context) -> Sink:  # noqa: A001  the name that every bench of a sink has
    """Return the sink on `server`."""
    return ngsi_ld.open_sink(NgsiLdTable(url=server.url, lab_plain=True), context)


def reference(server: Server, batches: Sequence[Sequence[Decoded]], folder: Path) -> float:
    """Return the wall seconds in which curl sends what the sink would for `batches`, over one connection.

    The fleet's registry stands in `folder`.
    """
    if shutil.which("curl") is None:
        raise Missing("curl", "curl")
    folder.mkdir(parents=True, exist_ok=True)
    transfers = []
    for number, request in enumerate(_requests(batches, folder)):
        sent = folder / f"{number}.json"
        sent.write_bytes(request.body)
        transfers.append(
            f'url = "{server.url}{request.target}"\ndata-binary = "@{sent}"\noutput = "/dev/null"\n'
            'header = "Content-Type: application/ld+json"\nheader = "Expect:"\nsilent\nshow-error\nfail\n'
        )
    config = folder / "curl.config"
    config.write_text("next\n".join(transfers))
    began = time.perf_counter()
    subprocess.run(["curl", "--config", config], check=True, timeout=_LONGEST_S)
    return time.perf_counter() - began


def _requests(batches: Sequence[Sequence[Decoded]], folder: Path) -> list[Request]:
    """Return what the sink writes for `batches`, as a broker in this process heard it."""
    stub = ngsi_stub.Stub()
    stub.start()
    try:
        table = NgsiLdTable(url=stub.url, lab_plain=True)
        sink = ngsi_ld.open_sink(table, Context("bench", "reference", folder, registry.load(folder / "registry.toml")))
        for batch in batches:
            bad = [verdict for verdict in sink.deliver(batch) if verdict.kind in {"retry", "rejected"}]
            if bad:
                raise RuntimeError(f"the sink did not take its own work: {bad[0]}")
        sink.close()
    finally:
        stub.stop()
    return [request for request in stub.requests if request.method == "POST"]
