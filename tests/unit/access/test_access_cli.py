"""`pantau access` beside a bridge that has the file open: what it changes holds at once, and no secret is told twice."""

from __future__ import annotations

import json
import os
from contextlib import closing

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner

from pantau.access import passwords
from pantau.access.model import ANYBODY, Role
from pantau.access.store import AccessStore, LoginError
from pantau.cli import pantau
from pantau.cli.access import _common

PASSWORD = "four small words here"


@pytest.fixture
def bridge(tmp_path, monkeypatch):
    cheap = PasswordHasher(1, 8, 1)
    monkeypatch.setattr(passwords.PasswordHasher, "from_parameters", lambda _profile: cheap)
    (tmp_path / "pantau.toml").write_text('[bridge]\ncity = "tng"\n[mqtt]\nhost = "localhost"\n')
    (tmp_path / "data").mkdir()
    with closing(AccessStore(tmp_path / "data" / "access.sqlite3")) as store:
        yield store


@pytest.fixture
def call(bridge):
    config = bridge.path.parent.parent / "pantau.toml"

    def run(*words, typed=None, code=0):
        said = CliRunner().invoke(pantau, ["access", *words, "-c", str(config)], input=typed)
        assert said.exit_code == code, said.output
        return said

    return run


def test_somebody_is_added_changed_and_removed_while_the_bridge_runs(bridge, call):
    now_ms = _common.now_ms()
    assert "nobody may log in" in call("list").output
    assert PASSWORD not in call("add", "duty", "--role", "viewer", typed=PASSWORD + "\n").output
    assert bridge.login("duty", PASSWORD, "", now_ms)[1].role is Role.VIEWER
    call("role", "duty", "admin")
    secret, who = bridge.login("duty", PASSWORD, "", now_ms)
    assert who.role is Role.ADMIN
    call("password", "duty", typed="another four small words\n")
    assert bridge.session(secret, now_ms) is None
    call("remove", "duty")
    with pytest.raises(LoginError):
        bridge.login("duty", "another four small words", "", now_ms)
    told = [json.loads(line) for line in call("audit", "--json").output.splitlines()]
    assert [one["action"] for one in told if one["via"] == "command"] == [
        "remove person", "change password", "change role", "add person",
    ]  # fmt: skip


def test_a_token_is_shown_once_and_can_be_revoked(bridge, call):
    secret = call("token", "add", "gis", "--days", "30").stdout.strip()
    assert bridge.token(secret, _common.now_ms()).role is Role.VIEWER
    listed = json.loads(call("list", "--json").output)
    assert (listed["name"], listed["id"]) == ("gis", 1) and secret not in str(listed)
    call("token", "revoke", "1")
    assert bridge.token(secret, _common.now_ms()) is None


@pytest.mark.parametrize(
    "words, typed, said",
    [
        (("add", "duty", "--role", "viewer"), "short\n", "10 characters"),
        (("add", "duty", "--role", "viewer"), "", "standard input"),
        (("add", "Not A Name", "--role", "viewer"), PASSWORD, "no name"),
        (("role", "nobody", "viewer"), None, "nobody named"),
        (("token", "revoke", "9"), None, "no token 9"),
        (("add", "duty"), None, "--role"),
    ],
)
def test_wrong_use_says_what_would_be_right(call, bridge, words, typed, said):
    assert said in call(*words, typed=typed, code=2).output
    assert bridge.people() == []


def test_a_refused_name_cannot_steer_the_terminal(bridge, call):
    with pytest.raises(LoginError):
        bridge.login("\x1b[2J\nroot\x00", "wrong", "10.0.0.1", _common.now_ms())
    assert len(call("audit").output.splitlines()) == 1
    assert "\x1b" not in call("audit").output + call("audit", "--json").output


def test_what_root_makes_is_given_to_the_user_of_the_folder(bridge, call, monkeypatch):
    given = {}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, user, group, **_: given.update({path.name: (user, group)}))
    bridge.audit(ANYBODY, "x", "", "", 1)
    call("list")
    folder = bridge.path.parent.stat()
    assert given["access.sqlite3"] == given["access.sqlite3-wal"] == (folder.st_uid, folder.st_gid)
