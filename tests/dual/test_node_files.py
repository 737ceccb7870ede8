"""Configuration, identity and the growing numbers, on all interpreters."""

import json
import os

from place import own

from pantau_node import config, identity
from pantau_node.marks import Monotonic

GOOD = {
    "node": "flood-01",
    "city": "tng",
    "link": {"kind": "wifi", "ssid": "s", "password": "p"},
    "broker": {"host": "10.0.0.1", "port": 8883, "tls": True, "ca": "/ca.der", "server_name": "localhost"},
    "sampling": {"interval_s": 1, "batch": 5, "run_s": 30},
    "station": "flood",
    "sensors": [{"model": "a02yyuw", "uart": 1}],
}
PATH = own("marks")


def remove(path):
    for name in (path, path + ".new"):
        try:
            os.remove(name)
        except OSError:
            pass


def test_a_good_configuration_has_no_problems():
    conf, problems = config.build(GOOD)
    assert problems == [], problems
    assert conf.sampling_batch == 5 and conf.broker_keepalive_s == 60 and conf.sensors[0]["uart"] == 1


def test_all_mistakes_are_named_at_once_and_the_defaults_stay_safe():
    bad = {
        "broker": {"host": "h", "port": "8883", "tls": False},
        "sampling": {"interval_s": 0, "batch": True},
        "link": 5,
        "sensors": [{"uart": 1}],
        "colour": "blue",
    }
    conf, problems = config.build(bad)
    text = "\n".join(problems)
    for path in ("broker.port", "broker.tls", "sampling.interval_s", "sampling.batch", "link", "sensors[0]", "colour"):
        assert path + ":" in text, (path, problems)
    assert len(problems) == 7, problems
    assert conf.sampling_interval_s == 60 and conf.sampling_batch == 15 and conf.broker_tls is True


def test_plain_only_with_the_lab_flag():
    conf, problems = config.build({"broker": {"host": "h", "tls": False, "lab_plain": True}})
    assert problems == [] and conf.broker_tls is False


def test_no_json_object_gives_the_defaults_and_one_reason():
    conf, problems = config.build([1])
    assert problems == ["not a JSON object", "broker.host: missing, so nothing can be sent"]
    assert conf.sampling_interval_s == 60


def test_an_identity_is_read_and_never_shows_a_key():
    text = {"node": "n-1", "generation": 3, "keys": {"0": "ab" * 32, "2": "cd" * 32}, "key_id": 2, "mqtt_user": "u"}
    who = identity.parse(json.dumps(text))
    assert who.keys[2] == b"\xcd" * 32 and who.key_id == 2 and who.user == "u" and who.generation == 3
    assert "cd" * 4 not in repr(who)


def test_every_problem_of_an_identity_is_named_without_the_secret():
    try:
        identity.parse('{"node": "Bad Name", "keys": {"0": "abcd", "9": "%s"}, "key_id": 1}' % ("ef" * 32))
    except identity.IdentityError as error:
        text = str(error)
    for part in ("node:", "keys.0:", "keys.9:", "key_id:"):
        assert part in text, text
    assert "abcd" not in text and "efef" not in text
    for junk in ("", "[]", "{", "null"):
        try:
            identity.parse(junk)
            raise AssertionError(junk)
        except identity.IdentityError:
            pass


def test_an_identity_may_hold_a_certificate_a_shared_key_and_a_rescue():
    text = {"node": "n-1", "keys": {"0": "ab" * 32}, "tls_cert": "3082aa", "tls_key": "3077bb"}
    text["psk"] = {"identity": "n-1", "key": "cd" * 16}
    text["rescue"] = {"broker": {"host": "h"}}
    who = identity.parse(json.dumps(text).encode())
    assert who.tls_cert == b"\x30\x82\xaa" and who.tls_key == b"\x30\x77\xbb"
    assert who.psk == ("n-1", b"\xcd" * 16) and who.rescue == {"broker": {"host": "h"}}
    plain = identity.parse(json.dumps({"node": "n-1", "keys": {"0": "ab" * 32}}))
    assert (plain.tls_cert, plain.tls_key, plain.psk, plain.rescue) == (b"", b"", None, None)


def test_what_is_wrong_with_the_rest_of_an_identity_is_named_without_the_secret():
    for name, value, part in (
        ("tls_cert", "3082aa", "tls_cert, tls_key: one without the other"),
        ("tls_key", "secret", "tls_key: must be DER"),
        ("tls_cert", "4d49", "tls_cert: must be DER"),
        ("tls_key", 5, "tls_key: must be DER"),
        ("psk", {"identity": "n"}, "psk: must be"),
        ("psk", {"identity": "", "key": "cdcd"}, "psk: must be"),
        ("psk", {"identity": "n", "key": ""}, "psk: must be"),
        ("psk", "cdcdcd", "psk: must be"),
        ("rescue", "text", "rescue: must be"),
        ("key_id", [], "key_id: names no key"),
        ("key_id", True, "key_id: names no key"),
        ("keys", {"0": None}, "keys.0:"),
        ("node", None, "node:"),
        ("generation", "1", "generation: must be"),
        ("mqtt_password", 5, "mqtt_user, mqtt_password:"),
    ):
        text = {"node": "n-1", "keys": {"0": "ab" * 32}}
        text[name] = value
        said = ""
        try:
            identity.parse(json.dumps(text))
        except identity.IdentityError as error:
            said = str(error)
        assert part in said, (name, value, said)
        assert "cdcd" not in said and "secret" not in said and "4d49" not in said, said


def test_a_growing_number_survives_restarts_and_compaction():
    remove(PATH)
    for value in range(1, 200):
        marks = Monotonic(PATH)
        assert marks.value == value - 1, (marks.value, value)
        marks.advance(value)
    assert os.stat(PATH)[6] < 12 * 66
    try:
        Monotonic(PATH).advance(199)
        raise AssertionError("went backwards")
    except ValueError:
        pass
    remove(PATH)


def test_a_growing_number_loses_at_most_the_torn_entry():
    remove(PATH)
    marks = Monotonic(PATH)
    for value in (5, 7, 1700000000000):
        marks.advance(value)
    with open(PATH, "rb") as file:
        whole = file.read()
    for cut in range(len(whole) + 1):
        with open(PATH, "wb") as file:
            file.write(whole[:cut])
        again = Monotonic(PATH)
        assert again.value == (0, 5, 7, 1700000000000)[cut // 12], cut
        again.advance(1700000000001 + cut)
        assert Monotonic(PATH).value == 1700000000001 + cut
    remove(PATH)
