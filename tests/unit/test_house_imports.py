"""The import rule is really enforced: each contract of pyproject.toml catches a violation planted for it."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = {
    c["id"]: c["name"]
    for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

# The smallest tree that has every module the contracts name, with imports that they allow.
ALLOWED = {
    "pantau_wire/frame.py": "import hashlib",
    "pantau_node/app.py": "from pantau_node import board, node",
    "pantau_node/board.py": "import machine, network, esp32",
    "pantau_node/node.py": "from pantau_wire import frame",
    "pantau/cli/demo.py": "import pantau_sim.world\nfrom pantau import bridge",
    "pantau/bridge.py": "import asyncio\nfrom pantau import ingest, spool",
    "pantau/spool.py": "import sqlite3\nfrom pantau import model",
    "pantau/ingest.py": "from pantau_wire import frame",
    "pantau/decode.py": "from pantau import model",
    "pantau/model.py": "import dataclasses",
    "pantau/quality/assessor.py": "from pantau import model",
    "pantau/alerts/engine.py": "from pantau import model",
    "pantau/cluster/lease.py": "import json",
    "pantau/cluster/records.py": "import json",
    "pantau/fleet/chunks.py": "from pantau_wire import frame",
    "pantau/fleet/desk.py": "import json",
    "pantau/fleet/rings.py": "import hashlib",
    "pantau/fleet/rollout.py": "import json",
    "pantau/fleet/rows.py": "import json",
    "pantau_sim/world.py": "import random",
    "pantau_sim/node.py": "import subprocess",
    "pantau_sim/sensors/__init__.py": "",
}
PLANTED = {
    "wire": ("pantau_wire/tag.py", "from pantau import model"),
    "node": ("pantau_node/links.py", "from pantau import model"),
    "hardware": ("pantau_node/sampler.py", "from machine import Pin"),
    "host": ("pantau/selftest.py", "import pantau_node.node"),
    "product": ("pantau/web.py", "from pantau_sim import world"),
    "emulators": ("pantau_sim/sensors/sht4x.py", "import pantau_node.node"),
    "layers": ("pantau/spool.py", "from pantau import bridge"),
    "cores": ("pantau/ingest.py", "import sqlite3"),
    "node-core": ("pantau_node/node.py", "from pantau_node import board"),
}


def lint(folder: Path, files: dict[str, str]) -> str:
    """Write `files` below `folder` and return what import-linter says of them."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        for package in file.relative_to(folder).parents[:-1]:
            (folder / package / "__init__.py").touch()
        file.write_text(text + "\n")
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--config", ROOT / "pyproject.toml", "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def test_allowed_imports_keep_every_contract(tmp_path):
    said = lint(tmp_path, ALLOWED)
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in said, said


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_planted_violation_is_caught(contract, tmp_path):
    name, text = PLANTED[contract]
    said = lint(tmp_path, {**ALLOWED, name: text})
    assert f"{CONTRACTS[contract]} BROKEN" in said, said
