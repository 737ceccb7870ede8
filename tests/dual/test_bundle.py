"""Bundles on all interpreters: any bytes give a Head or one WireError, and the same one everywhere."""

import hashlib

from pantau_wire import bundle
from pantau_wire.errors import WireError

FIELDS = {
    "version": "0.2.0",
    "release": 2,
    "kind": "app",
    "board": ["rv32imc/esp32c3", "xtensawin/esp32"],
    "mpy": 6,
    "min_release": 0,
    "files": 1,
    "size": 12,
    "sha256": "ab" * 32,
}
MANIFEST = (
    '{"board":["rv32imc/esp32c3","xtensawin/esp32"],"files":1,"kind":"app","min_release":0,"mpy":6,"release":2,'
    '"sha256":"' + "ab" * 32 + '","size":12,"version":"0.2.0"}'
)


def made(manifest, key=0, signature=b"\x07" * 384):
    text = manifest.encode()
    size = len(signature).to_bytes(2, "big")
    return b"PNTB\x01" + len(text).to_bytes(4, "big") + text + size + bytes([key]) + signature


def entry_code(data):
    try:
        bundle.entry(data)
    except WireError as error:
        return error.code
    return ""


def code(data):
    try:
        bundle.head(data)
    except WireError as error:
        return error.code
    return ""


def test_the_manifest_has_one_form_and_the_bundle_is_named_by_it():
    assert bundle.text(FIELDS) == MANIFEST
    data = made(MANIFEST, 1)
    head = bundle.head(data + b"payload")
    assert (head.fields, head.key, head.signature, head.start) == (FIELDS, 1, b"\x07" * 384, len(data))
    assert head.total == len(data) + 12
    assert head.ident == int.from_bytes(hashlib.sha256(MANIFEST.encode()).digest()[:4], "big")
    assert bundle.head(made(MANIFEST, 0, b"")).signature == b""


def test_every_beginning_of_a_bundle_asks_for_more():
    data = made(MANIFEST)
    for size in range(len(data)):
        assert code(data[:size]) == "truncated", size


def test_what_is_no_bundle_is_refused_with_its_code():
    for data, wanted in (
        (b"PNTB\x02" + made(MANIFEST)[5:], "bad_field"),
        (b"X", "bad_field"),
        (b"PNTB\x01\x00\x00\x05\xdd", "too_long"),
        (made(MANIFEST, 2), "bad_field"),
        (made(MANIFEST, 0, b"short"), "bad_field"),
        (made("{}"), "bad_value"),
        (made("[]"), "bad_field"),
        (made("7"), "bad_field"),
        (made("[" * 1400), "bad_field"),
        (made("[" * 700 + "]" * 700), "bad_field"),
        (made(MANIFEST.replace(":2,", ": 2,")), "bad_field"),
        (made(MANIFEST.replace(":2,", ":2.0,")), "bad_field"),
        (made("{1:2}"), "bad_field"),
        (made(MANIFEST.replace(":2,", ":02,")), "bad_field"),
        (made(MANIFEST.replace(":2,", ":-2,")), "bad_value"),
        (made(MANIFEST.replace(":2,", ":true,")), "bad_value"),
        (made(MANIFEST.replace(":2,", ":2147483648,")), "bad_value"),
        (made(MANIFEST.replace(":2,", ":NaN,")), "bad_field"),
        (made(MANIFEST.replace('"release":2,', '"release":1,"release":2,')), "bad_field"),
        (made(MANIFEST.replace("0.2.0", "0.2\\u0030")), "bad_field"),
        (made(MANIFEST.replace("0.2.0", "0.2\u00e9")), "bad_field"),
        (made(MANIFEST.replace('"app"', '"apple"')), "bad_value"),
        (made(MANIFEST.replace("abab", "ABAB")), "bad_value"),
        (made(MANIFEST.replace('"files":1', '"files":256')), "bad_value"),
        (made(MANIFEST.replace('"size"', '"rollback":false,"size"')), "bad_field"),
        (made(MANIFEST.replace('"sha256"', '"rollback":false,"sha256"')), "bad_value"),
        (made(MANIFEST.replace('"version"', '"trust":["",""],"version"')), "bad_value"),
    ):
        assert code(data) == wanted, (data[9:80], code(data))


def test_a_field_of_a_later_version_is_no_reason_to_refuse():
    later = MANIFEST.replace('"version"', '"stage":["lab",true,7,{"a":1}],"version"')
    assert bundle.head(made(later)).fields["stage"] == ["lab", True, 7, {"a": 1}]


def test_any_changed_byte_gives_a_head_or_one_error():
    data = made(MANIFEST)
    seed = 1
    for _ in range(1500):
        seed = (seed * 69069 + 1) & 0xFFFFFFFF
        changed = bytearray(data)
        changed[seed % (len(data) - 384)] = seed >> 24
        found = code(bytes(changed))
        assert found in ("", "truncated", "too_long", "bad_field", "bad_value"), found


def test_the_keys_of_a_rotation_are_whole_moduli_in_their_one_form():
    import binascii

    one = b"\x80" + b"\x05" * 382 + b"\x01"
    text = binascii.b2a_base64(one).decode().strip()
    assert bundle.moduli([text, text]) == [one, one]
    even = binascii.b2a_base64(one[:-1] + b"\x02").decode().strip()
    small = binascii.b2a_base64(b"\x7f" + one[1:]).decode().strip()
    for trust in (
        [text],
        [text] * 3,
        [text, even],
        [text, small],
        [text, text[:-4]],
        [text, 5],
        "x",
        [text, text + "\n"],
    ):
        assert bundle.moduli(trust) is None, trust
    fields = dict(FIELDS)
    fields["trust"] = [text, text]
    assert len(bundle.text(fields)) <= bundle.MAX_MANIFEST, "two new keys fit"


def test_an_entry_leads_nowhere_but_below_the_slot():
    assert bundle.entry(b"..\x0fpantau_node/app\x00\x00\x01\x00", 2) == ("pantau_node/app", 22, 256)
    for path in ("", "/a", "a/", "a//b", "../a", "a/../b", "a/.b", "a\\b", "a b", "a\n", "x" * 65, "\u00e9"):
        assert not bundle.valid_path(path), path
    for data in (b"", b"\x01", b"\x01a\x00\x00\x00", b"\xffa", b"\x00\x00\x00\x00\x00", b"\x01/\x00\x00\x00\x01"):
        assert entry_code(data) in ("truncated", "bad_value"), data
