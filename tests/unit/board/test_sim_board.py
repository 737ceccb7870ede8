"""`pantau sim board`: what it prints, where it ends, and that nothing of it stays."""

import json
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pantau.cli import pantau

pytestmark = pytest.mark.usefixtures("vm")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_its_port_and_serial_number_and_ends_cleanly(tmp_path, number):
    root, link = tmp_path / "board", tmp_path / "port"
    command = [sys.executable, "-m", "pantau", "sim", "board", "--pty", "--json", "--sensors", "none"]
    with subprocess.Popen(
        [*command, "--root", str(root), "--link", str(link)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert os.path.realpath(link) == told["port"] and told["port"].startswith("/dev/pts/")
        assert told["serial"].startswith("PV") and told["root"] == str(root)
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert not link.is_symlink()
    assert (root / "boot.py").is_file()


def test_a_file_in_the_place_of_the_link_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("mine")
    done = CliRunner().invoke(pantau, ["sim", "board", "--pty", "--link", str(tmp_path / "mine")])
    assert done.exit_code == 2 and "name another place" in done.output
    assert (tmp_path / "mine").read_text() == "mine"
