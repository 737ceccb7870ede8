"""People, sessions, tokens and the log: who gets in, for how long, and that nobody guesses."""

from __future__ import annotations

import sqlite3
import stat

import pytest
from argon2 import PasswordHasher

from pantau.access import store as access
from pantau.access import throttle
from pantau.access.model import ANYBODY, Role, sender_of
from pantau.access.passwords import BadPasswordError, Passwords
from pantau.access.store import AccessError, AccessStore, LoginError
from pantau.access.throttle import Throttle

NOW = 1_800_000_000_000
PASSWORD = "four small words here"
HOUR, DAY = 3_600_000, 86_400_000
CHEAP = PasswordHasher(1, 8, 1)


@pytest.fixture
def store(tmp_path):
    made = AccessStore(tmp_path / "access.sqlite3", Passwords(CHEAP))
    made.add_person("operator-1", PASSWORD, Role.OPERATOR, ANYBODY, NOW)
    yield made
    made.close()


def test_a_password_opens_a_session_and_the_file_opens_nothing(store):
    secret, who = store.login("operator-1", PASSWORD, "10.0.0.1", NOW)
    assert store.session(secret, NOW) == who and who.role is Role.OPERATOR
    token = store.add_token("gis", Role.VIEWER, 1, ANYBODY, NOW)
    kept = store.path.read_bytes() + store.path.with_name("access.sqlite3-wal").read_bytes()
    for word in (secret, token, PASSWORD):
        assert word.encode() not in kept
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "name, password", [("operator-1", "wrong"), ("nobody", PASSWORD), ("operator-1", ""), ("' OR 1=1 --", PASSWORD)]
)
def test_anything_else_opens_none(store, name, password):
    with pytest.raises(LoginError):
        store.login(name, password, "10.0.0.1", NOW)
    assert store.log(1)[0].action == "login refused"


def test_an_unknown_name_costs_as_many_hashes_as_a_known_one(tmp_path):
    class Counting(PasswordHasher):
        verified = 0

        def verify(self, *given):
            Counting.verified += 1
            return super().verify(*given)

    made = AccessStore(tmp_path / "access.sqlite3", Passwords(Counting(1, 8, 1)))
    made.add_person("operator-1", PASSWORD, Role.OPERATOR, ANYBODY, NOW)
    for name in ("operator-1", "nobody"):
        before = Counting.verified
        with pytest.raises(LoginError):
            made.login(name, "wrong", "10.0.0.1", NOW)
        assert Counting.verified == before + 1
    made.close()


def test_a_session_ends_unused_after_half_a_day_and_used_after_a_week(store):
    idle, _ = store.login("operator-1", PASSWORD, "10.0.0.1", NOW)
    busy, _ = store.login("operator-1", PASSWORD, "10.0.0.1", NOW)
    for hours in range(0, 7 * 24, 6):
        assert store.session(busy, NOW + hours * HOUR) is not None
    assert store.session(idle, NOW + 12 * HOUR + 1) is None
    assert store.session(busy, NOW + 7 * DAY + 1) is None
    assert store.session(busy, NOW) is None, "what has ended does not come back with the clock"


def test_a_clock_that_jumps_back_ends_nothing_and_lengthens_nothing(store):
    secret, _ = store.login("operator-1", PASSWORD, "10.0.0.1", NOW)
    assert store.session(secret, NOW - DAY) is not None
    assert store.session(secret, NOW + 7 * DAY + 1) is None


@pytest.mark.parametrize("change", ["password", "remove", "logout"])
def test_sessions_end_with_what_they_rest_on(store, change):
    secret, who = store.login("operator-1", PASSWORD, "10.0.0.1", NOW)
    if change == "password":
        store.set_password("operator-1", "another four small words", who, NOW)
    elif change == "remove":
        store.remove_person("operator-1", who, NOW)
    else:
        store.logout(secret)
    assert store.session(secret, NOW) is None


def test_a_role_holds_from_the_next_request_on(store):
    secret, _ = store.login("operator-1", PASSWORD, "10.0.0.1", NOW)
    store.set_role("operator-1", Role.VIEWER, ANYBODY, NOW)
    assert store.session(secret, NOW).role is Role.VIEWER


def test_tokens_run_out_and_can_be_revoked(store):
    secret = store.add_token("gis", Role.VIEWER, 1, ANYBODY, NOW)
    assert secret.startswith("pantau_") and store.token(secret, NOW).name == "gis"
    assert store.token(secret, NOW + DAY) is None
    assert store.token("pantau_" + "x" * 43, NOW) is None
    number = store.tokens()[0].id
    store.revoke(number, ANYBODY, NOW)
    assert store.token(secret, NOW) is None
    with pytest.raises(AccessError, match="no token"):
        store.revoke(number, ANYBODY, NOW)


@pytest.mark.parametrize("name", ["", "Upper", "a b", "<b>x</b>", "a\nb", "x" * 33, "-a", "a'; DROP TABLE people"])
def test_names_are_plain(store, name):
    with pytest.raises(AccessError):
        store.add_person(name, PASSWORD, Role.VIEWER, ANYBODY, NOW)


@pytest.mark.parametrize("password", ["short", "operator-2 is me", "aaaaaaaaaaaaaaaa", "x" * 257])
def test_what_is_guessed_first_is_no_password(store, password):
    with pytest.raises(BadPasswordError):
        store.add_person("operator-2", password, Role.VIEWER, ANYBODY, NOW)
    assert [one.name for one in store.people()] == ["operator-1"]


def test_a_hash_of_weaker_times_is_made_anew_at_the_next_login(tmp_path):
    path = tmp_path / "access.sqlite3"
    old = AccessStore(path, Passwords(CHEAP))
    old.add_person("operator-1", PASSWORD, Role.OPERATOR, ANYBODY, NOW)
    old.close()
    new = AccessStore(path, Passwords(PasswordHasher(2, 16, 1)))
    new.login("operator-1", PASSWORD, "10.0.0.1", NOW)
    new.close()
    with sqlite3.connect(path) as db:
        assert "m=16,t=2" in db.execute("SELECT hash FROM people").fetchone()[0]
    db.close()


def test_guessing_gets_slow_for_the_guesser_and_for_nobody_else(store):
    for _ in range(5):
        with pytest.raises(LoginError):
            store.login("operator-1", "wrong", "10.6.6.6", NOW)
    with pytest.raises(LoginError) as slowed:
        store.login("operator-1", PASSWORD, "10.6.6.6", NOW)
    assert slowed.value.wait_ms == 1000
    store.login("operator-1", PASSWORD, "10.0.0.1", NOW)
    store.login("operator-1", PASSWORD, "10.6.6.6", NOW + 1000)


def test_waits_grow_end_and_are_bounded_in_number():
    slow = Throttle()
    waits = []
    for _ in range(20):
        slow.failed("a", "10.6.6.6", NOW)
        waits.append(slow.wait_ms("a", "10.6.6.6", NOW))
    assert waits[:4] == [0, 0, 0, 0] and waits[4:7] == [1000, 2000, 4000] and waits[-1] == 300_000
    assert slow.wait_ms("a", "10.6.6.6", NOW + HOUR) == 0
    assert slow.wait_ms("a", "10.6.6.6", NOW - DAY) == 0, "a clock that jumps back locks nobody out"
    for number in range(12_000):
        slow.failed(str(number), f"10.{number % 250}.{number // 250}.1", NOW)
    assert len(slow._failed) <= throttle._MOST


def test_the_log_is_written_once_and_bounded(store, monkeypatch):
    with pytest.raises(sqlite3.IntegrityError, match="written once"):
        store._db.execute("UPDATE audit SET name = 'somebody else'")
    monkeypatch.setattr(access, "_MOST_AUDIT", 5)
    for number in range(9):
        store.audit(ANYBODY, "acknowledge", f"alert {number}", "<b>", NOW)
    assert [one.subject for one in store.log()] == [f"alert {number}" for number in (8, 7, 6, 5, 4)]
    assert [one.subject for one in store.log(2, before=store.log()[1].number)] == ["alert 6", "alert 5"]


def test_a_password_that_is_changed_while_the_old_one_is_verified_opens_nothing(store, monkeypatch):
    verify = store._passwords.verify

    def meanwhile(stored, password):
        good = verify(stored, password)
        store.set_password("operator-1", "another four small words", ANYBODY, NOW)
        return good

    monkeypatch.setattr(store._passwords, "verify", meanwhile)
    with pytest.raises(LoginError):
        store.login("operator-1", PASSWORD, "10.0.0.1", NOW)
    assert store._db.execute("SELECT count(*) FROM sessions").fetchone() == (0,)


def test_guesses_at_once_wait_as_those_one_after_the_other_do(store, monkeypatch):
    began = []

    def nested(stored, password):  # another guess comes before this one is answered
        began.append(password)
        if len(began) < 40:
            with pytest.raises(LoginError):
                store.login("operator-1", "wrong", "10.6.6.6", NOW)
        return False

    monkeypatch.setattr(store._passwords, "verify", nested)
    with pytest.raises(LoginError):
        store.login("operator-1", "wrong", "10.6.6.6", NOW)
    assert len(began) == 5


def test_who_logs_in_often_is_not_counted_as_a_guesser(store):
    for _ in range(40):
        store.login("operator-1", PASSWORD, "10.0.0.1", NOW)


def test_a_session_of_a_clock_far_ahead_ends_when_the_clock_is_right_again(store):
    secret, _ = store.login("operator-1", PASSWORD, "10.0.0.1", NOW + 3650 * DAY)
    assert store.session(secret, NOW) is None


def test_a_file_that_cannot_be_written_still_says_who_somebody_is(store):
    secret, who = store.login("operator-1", PASSWORD, "10.0.0.1", NOW)
    token = store.add_token("gis", Role.VIEWER, 1, ANYBODY, NOW)
    store._db.execute("PRAGMA query_only = 1")
    assert store.session(secret, NOW + HOUR) == who
    assert store.token(token, NOW + HOUR).name == "gis"


@pytest.mark.parametrize(
    "address, sender",
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_line_with_many_addresses_is_one_sender(address, sender):
    assert sender_of(address) == sender


def test_guesses_from_a_whole_network_of_addresses_wait_as_one(store):
    for number in range(5):
        with pytest.raises(LoginError):
            store.login("operator-1", "wrong", f"2001:db8::{number:x}", NOW)
    with pytest.raises(LoginError) as slowed:
        store.login("operator-1", PASSWORD, "2001:db8::beef", NOW)
    assert slowed.value.wait_ms == 1000
