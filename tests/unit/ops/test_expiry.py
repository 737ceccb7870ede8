"""Certificates that end are told in time, each with whose it is and what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from pantau import vault
from pantau.fleet.ca import Authority, pem_of
from pantau.fleet.keystore import Keystore
from pantau.ops import figures
from pantau.ops.expiry import Expiry


@pytest.fixture
def config(tmp_path):
    """A bridge's files: an authority, a client certificate, a key store with three nodes."""
    now = datetime.now(UTC)
    authority = Authority.make("tng", now)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    vault.save_secret(tmp_path / "keys.secret", vault.new_secret())
    store = Keystore.create(tmp_path / "keys.vault", vault.load_secret(tmp_path / "keys.secret"))

    def made(bridge_days, node_days):
        (tmp_path / "bridge.pem").write_bytes(pem_of(authority.client("bridge", now, bridge_days))[0])
        for number, days in enumerate(node_days):
            aged = SimpleNamespace(client=lambda node, at, days=days: authority.client(node, at, days))
            store.enrol(f"flood-{number}", now, aged, anew=True)
        mqtt = SimpleNamespace(ca=tmp_path / "ca.pem", certificate=tmp_path / "bridge.pem")
        return SimpleNamespace(mqtt=mqtt, bridge=SimpleNamespace(keys=tmp_path / "keys.vault", keys_secret=None))

    return made


def test_what_lasts_is_a_figure_and_no_problem(config):
    expiry = Expiry()
    expiry.look(config(800, [1800, 1000]))
    assert expiry.problems() == []
    days = {figures.parse(name)[1]["of"]: round(left / 86_400) for name, left in expiry.figures().items()}
    assert days == {"ca": 30 * 365, "bridge": 800, "nodes": 1000}


def test_what_ends_soon_is_named_with_what_to_do(config):
    expiry = Expiry()
    expiry.look(config(30, [1800, 20, 40]))
    bridge, nodes = expiry.problems()
    assert bridge == "the certificate of bridge ends in 30 days; renew it: pantau fleet rotate --server"
    assert nodes.startswith("the certificates of flood-1, flood-2: the first ends in 20 days; rotate them")


def test_what_has_ended_is_said_as_well(config):
    expiry = Expiry()
    expiry.look(config(-2 + 1, [400]))
    assert "ended 1 days ago" in expiry.problems()[0]


def test_files_that_are_not_there_are_told_elsewhere(tmp_path):
    nothing = tmp_path / "nothing"
    expiry = Expiry()
    expiry.look(
        SimpleNamespace(
            mqtt=SimpleNamespace(ca=nothing, certificate=None), bridge=SimpleNamespace(keys=nothing, keys_secret=None)
        )
    )
    assert expiry.figures() == {} and expiry.problems() == []
