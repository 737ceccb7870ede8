"""The service's installation: planned, taken below a prefix, taken again, and taken away with the data left."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from needs import need
from pantau import config as config_file
from pantau import keys as key_file
from pantau.cli import pantau
from pantau.ops import install
from pantau.problems import ConfigError

EXE = Path("/opt/pantau/bin/pantau")


def call(*words):
    return CliRunner().invoke(pantau, ["bridge", *map(str, words)])


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_below_a_prefix_all_files_are_there_with_their_modes_and_the_configuration_is_sound(tmp_path):
    said = call("install", "--prefix", tmp_path)
    assert said.exit_code == 0, said.output
    etc = tmp_path / "etc/pantau"
    modes = {path.name: mode(path) for path in etc.iterdir()}
    assert modes == {"pantau.toml": 0o640, "registry.toml": 0o640, "keys.json": 0o600, "credentials": 0o700}
    assert (mode(etc), mode(tmp_path / "var/lib/pantau")) == (0o750, 0o750)
    config = config_file.load(etc / "pantau.toml")
    assert config.bridge.data_dir == install.DATA
    assert "not-there" not in key_file.load(config.bridge.keys)
    assert (tmp_path / "etc/sysusers.d/pantau.conf").read_text().startswith("u pantau -")
    # what tmpfiles.d will make of the owners is what an installation in place makes
    planned = {step.path: step for step in install.plan("pantau", EXE, None) if step.path}
    for line in (tmp_path / "etc/tmpfiles.d/pantau.conf").read_text().splitlines():
        kind, path, octal, owner, _group = line.split()
        steps = [planned[Path(path)]] if kind == "d" else [s for p, s in planned.items() if p.match(path)]
        assert steps and all((f"{s.mode:04o}", s.owner) == (octal, owner) for s in steps), line


def test_a_second_installation_keeps_what_people_wrote_and_renews_what_is_ours(tmp_path):
    call("install", "--prefix", tmp_path)
    config, unit = tmp_path / "etc/pantau/pantau.toml", install.below(tmp_path, install.UNIT)
    config.write_text("# mine")
    config.chmod(0o666)
    unit.write_text("# of an older Pantau")
    said = call("install", "--prefix", tmp_path)
    assert said.exit_code == 0 and f"kept {config}" in said.output and f"wrote {unit}" in said.output
    assert config.read_text() == "# mine" and mode(config) == 0o640
    assert "ExecStart=" in unit.read_text()
    assert list(tmp_path.rglob(".*.new")) == []


def test_a_link_in_the_services_folder_leads_root_nowhere(tmp_path):
    call("install", "--prefix", tmp_path)
    victim = tmp_path / "shadow"
    victim.write_text("x")
    victim.chmod(0o600)
    config = tmp_path / "etc/pantau/pantau.toml"
    config.unlink()
    config.symlink_to(victim)
    assert call("install", "--prefix", tmp_path).exit_code == 1
    assert mode(victim) == 0o600


def test_a_dry_run_changes_nothing_and_names_everything(tmp_path):
    said = call("install", "--prefix", tmp_path, "--dry-run", "--user", "city")
    assert said.exit_code == 0 and list(tmp_path.iterdir()) == []
    for words in ("/etc/pantau/keys.json  0600 city", "/var/lib/pantau  0750 city", "pantau-bridge.service  0644 root"):
        assert words in said.output


def test_uninstalling_leaves_configuration_keys_and_data(tmp_path):
    call("install", "--prefix", tmp_path)
    (tmp_path / "var/lib/pantau/spool.sqlite3").write_text("frames")
    said = call("uninstall", "--prefix", tmp_path)
    assert said.exit_code == 0 and "Left as they are" in said.output
    left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {
        "etc/pantau/pantau.toml", "etc/pantau/registry.toml", "etc/pantau/keys.json", "var/lib/pantau/spool.sqlite3",
    }  # fmt: skip
    assert call("uninstall", "--prefix", tmp_path).exit_code == 0


@pytest.mark.parametrize(
    "user,exe,said",
    [
        ("pan tau", EXE, "no name for a system user"),
        ("pantau", Path("/opt/my pantau/bin/pantau"), "plain path"),
        ("pantau", Path("/root/.venv/bin/pantau"), "/opt/pantau"),
    ],
)
def test_what_would_not_start_is_refused_before_anything_is_done(user, exe, said):
    with pytest.raises(install.InstallError, match=said):
        install.plan(user, exe, None)


def test_in_place_the_user_is_made_once_and_systemd_is_told(monkeypatch):
    monkeypatch.setattr(install.shutil, "which", lambda name: f"/usr/bin/{name}")
    commands = [step.command for step in install.plan("nobody-yet", EXE, None) if step.command]
    assert [command[0] for command in commands] == ["systemd-sysusers", "systemctl"]
    there = [step.command for step in install.plan("root", EXE, None) if step.command]
    assert [command[0] for command in there] == ["systemctl"]
    monkeypatch.setattr(install.shutil, "which", lambda _name: None)
    assert [s.command[0] for s in install.plan("nobody-yet", EXE, None) if s.command] == ["useradd"]


def test_the_unit_is_one_that_systemd_accepts(tmp_path):
    tool = need("systemd-analyze", "systemd")
    exe = tmp_path / "pantau"
    exe.write_text("#!/bin/sh\n")
    exe.chmod(0o755)
    unit = next(step for step in install.plan("root", exe, tmp_path) if step.path == install.UNIT)
    path = tmp_path / install.SERVICE
    path.write_bytes(unit.content)
    done = subprocess.run([tool, "verify", "--man=no", path], capture_output=True, text=True, timeout=50, check=False)
    # whatever it says of this machine's own units is not ours
    ours = [line for line in done.stderr.splitlines() if install.SERVICE in line]
    assert ours == [], done.stderr
    rated = subprocess.run(
        [tool, "security", "--offline=true", "--no-pager", path],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    exposure = float(rated.stdout.strip().splitlines()[-1].split(":")[1].split()[0])
    assert exposure < 3.0, rated.stdout  # systemd's own scale: 0 is closed, 10 open


def test_the_unit_watches_progress_restarts_and_is_confined():
    text = next(s for s in install.plan("pantau", EXE, None) if s.path == install.UNIT).content.decode()
    settings = {line for line in text.splitlines() if line and not line.startswith("#")}
    assert {
        "Type=notify", "WatchdogSec=60", "Restart=always", "NoNewPrivileges=yes", "ProtectSystem=strict", "StateDirectory=pantau",
        "RuntimeDirectory=pantau", "LimitNOFILE=65536", "MemoryMax=1G", "LoadCredential=pantau:/etc/pantau/credentials",
        "User=pantau", "ExecStart=/opt/pantau/bin/pantau bridge run -c /etc/pantau/pantau.toml",
    } <= settings  # fmt: skip
    assert "@" not in "".join(settings).replace("@system-service", "")


def test_a_credential_of_systemd_is_private_whatever_its_mode_says(tmp_path, monkeypatch):
    secret = tmp_path / "pantau_mqtt.password"
    secret.write_text("x")
    secret.chmod(0o440)
    with pytest.raises(ConfigError, match="open to other users"):
        key_file.require_private(secret)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    key_file.require_private(secret)
