"""Servers that several modules of tests share: started once, with towns so that each test sees only its own rows."""

from __future__ import annotations

import pytest

import needs
from pantau_sim.servers import Missing
from sinks import kit as kits
from sinks.kit_postgres import Kit


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """A kit of PostgreSQL, and the towns of it that are not taken yet."""
    try:
        kit = Kit(tmp_path_factory.mktemp("postgres"))
    except Missing as missing:
        needs.missing(missing.what, missing.package)
    yield kit, kits.towns()
    kit.close()
