"""Bundles as the operator makes them: what is built is read and verified, what is not sound is named."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from pantau.fleet import bundle
from pantau.fleet.bundle import BundleError
from pantau_node import rsa as node_rsa


@functools.cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("pantau_node/app", "pantau_node/links/mqtt", "pantau_wire/frame", "pantau_wire/names"):
        path = tmp_path / f"{name}.mpy"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"M\x06" + name.encode())
    (tmp_path / "pantau_node" / "notes.txt").write_text("not for nodes")
    return tmp_path


def test_what_is_signed_is_read_back_and_taken_by_the_host_and_by_the_node(folder: Path) -> None:
    data = bundle.sign(bundle.build(folder, version="0.2.0", release=7, min_release=3), key(), 1)
    found = bundle.read(data)
    assert (found.release, found.version, found.key, found.moduli) == (7, "0.2.0", 1, [])
    assert list(found.files) == ["pantau_node/app.mpy", "pantau_node/links/mqtt.mpy", "pantau_wire/frame.mpy"]
    assert found.files["pantau_node/links/mqtt.mpy"] == b"M\x06pantau_node/links/mqtt"
    assert found.fields["room"] == 4096 * (3 + 2 * 3 + 2)
    ours = bundle.modulus(key().public_key())
    other = bundle.modulus(rsa.generate_private_key(65537, 3072).public_key())
    assert bundle.verify(found, [other, ours]) and node_rsa.verify(ours, found.signature, found.manifest)
    assert not bundle.verify(found, [ours, other]) and not bundle.verify(found, [ours])


def test_an_unsigned_bundle_is_read_but_never_taken_and_signing_again_replaces_the_signature(folder: Path) -> None:
    unsigned = bundle.build(folder, version="1", release=1)
    found = bundle.read(unsigned)
    assert found.key is None and not bundle.verify(found, [bundle.modulus(key().public_key())])
    once = bundle.sign(unsigned, key(), 0)
    assert bundle.sign(bundle.sign(unsigned, key(), 1), key(), 0) == once
    assert bundle.read(once).ident == found.ident, "the name is the manifest's"


def test_chunks_make_the_bundle_again(folder: Path) -> None:
    data = bundle.sign(bundle.build(folder, version="1", release=1), key(), 0)
    fields = [bundle.chunk(data, 5, at) for at in range(0, len(data), 800)]
    assert b"".join(one["chunk"] for one in fields) == data
    assert {(one["id"], one["total"]) for one in fields} == {(5, len(data))}


def test_the_keys_of_a_rotation_go_into_the_manifest(folder: Path) -> None:
    pair = [bundle.modulus(key().public_key())] * 2
    assert bundle.read(bundle.build(folder, version="1", release=1, trust=pair)).moduli == pair


Build = Callable[[Path], bytes]
_SHORT = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    "make, why",
    [
        (
            lambda folder: bundle.build(folder / "pantau_wire", version="1", release=1),
            "no pantau_node/app.mpy: compile",
        ),
        (lambda folder: bundle.build(folder, version="1", release=0), "manifest: release"),
        (lambda folder: bundle.build(folder, version="", release=1), "manifest: version"),
        (lambda folder: bundle.build(folder, version='1"', release=1), "printable ASCII"),
        (lambda folder: bundle.build(folder, version="1", release=1, trust=[b"short"]), "manifest: trust"),
        (lambda folder: bundle.build(folder, version="1", release=1, board=["x" * 1500]), "at most 1500: name fewer"),
        (
            lambda folder: bundle.sign(bundle.build(folder, version="1", release=1), _SHORT, 0),
            "an RSA key of 2048 bits",
        ),
        (lambda _: bundle.build_image(b"\x7fELF", version="1", release=1, board=["x"]), "begins with another byte"),
        (lambda _: bundle.sign(b"PNTB", key(), 0), "not a bundle: truncated"),
    ],
)
def test_what_cannot_be_made_says_why(folder: Path, make: Build, why: str) -> None:
    with pytest.raises(BundleError, match=why):
        make(folder)


def test_a_bundle_that_was_damaged_on_its_way_is_named_by_what_does_not_fit(folder: Path) -> None:
    data = bundle.sign(bundle.build(folder, version="1", release=1), key(), 0)
    for damaged, why in (
        (data[:-1], "the payload is not what the manifest says"),
        (data + b"x", "the payload is not what the manifest says"),
        (data[:-1] + b"x", "the payload is not what the manifest says"),
        (b"", "not a bundle: truncated"),
        (b"GIF89a" + data, "not a bundle: bad_field"),
    ):
        with pytest.raises(BundleError, match=why):
            bundle.read(damaged)
