"""Each plain `test_*` function below runs three times: here, in the unix VM (64 bit) and in the 32-bit VM.

The VM runs are batched: one process for all selected tests of a file. Files here hold functions without fixtures and import
only what runs on the node (pantau_wire, pantau_node).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import vms
from needs import missing

RUNNER = Path(__file__).with_name("vm_runner.py")
MARK = "@@dual "
Outcomes = dict[str, str | None]
_outcomes: dict[tuple[Path, str], Outcomes] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make three tests of each function."""
    if metafunc.function.__code__.co_argcount:
        pytest.fail(
            f"{metafunc.function.__name__}: a dual test takes no arguments, the VMs have no fixtures", pytrace=False
        )
    metafunc.fixturenames.append("interpreter")
    metafunc.parametrize("interpreter", ("cpython", *vms.NAMES))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Take the outcome from the VM; None leaves the CPython case to pytest."""
    name = pyfuncitem.callspec.params["interpreter"]
    if name == "cpython":
        return None
    key = (pyfuncitem.path, name)
    if key not in _outcomes:
        wanted = [i.originalname for i in pyfuncitem.session.items if isinstance(i, pytest.Function) and _key(i) == key]
        _outcomes[key] = _run(pyfuncitem, name, wanted)
    said = _outcomes[key][pyfuncitem.originalname]
    if said is not None:
        pytest.fail(f"in the {name} VM:\n{said}", pytrace=False)
    return True


def _key(item: pytest.Function) -> tuple[Path, str]:
    callspec = getattr(item, "callspec", None)
    return item.path, callspec.params.get("interpreter", "") if callspec else ""


def _run(item: pytest.Function, name: str, wanted: list[str]) -> Outcomes:
    paths = (*vms.SHARED, vms.ROOT / "simulator", item.path.parent)  # pantau_sim.flash runs in the VMs too
    try:
        done = vms.run(name, RUNNER, item.path.stem, *wanted, paths=paths)
        output, ended = done.stdout, f"the VM ended with status {done.returncode}\n{done.stderr}"
    except vms.MissingVmError as error:
        missing(f"the {name} VM", error.package)
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"").decode(errors="replace")
        ended = f"the VM was still running after {error.timeout:.0f} s"
    outcomes: Outcomes = dict.fromkeys(wanted, f"not run: {ended}")
    for result in vms.results(output, MARK):
        outcomes[result["test"]] = {"ok": None, "started": ended}.get(result["result"], result["result"])
    return outcomes
