"""Several bridges on one city: a server and a bridge are killed under load, a bridge sleeps and wakes; nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from needs import missing, need
from pantau_sim.chaos.cluster import Rig, killed
from pantau_sim.servers import Missing


def account(folder, **given):
    need("mosquitto", "mosquitto")

    async def run():
        async with Rig(folder, **given) as rig:
            return await killed(rig, 4.0)

    try:
        return asyncio.run(run())
    except Missing as error:
        missing(error.what, error.package)


@pytest.mark.timeout(240)
def test_a_bridge_and_a_server_die_under_load_and_nothing_is_lost_or_twice(tmp_path):
    report = account(tmp_path, nodes=40, rate=100.0, seed=5)
    assert (report["lost"], report["twice"], report["disordered"]) == (0, 0, 0), report
    assert report["observations_stored"] == report["observations"] > 1000, report
    assert report["takeover_s"] < 15, report
