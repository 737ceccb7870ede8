"""The same wire cases on CPython, the 64-bit VM and the 32-bit VM at the version floor: the answers must be equal."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_answers import answer
from wire_cases import Case, cases, frame_case, near_case

import vms
from needs import missing

SCRIPT = Path(__file__).with_name("wire_answers.py")
SEEDS = st.integers(0, 2**32 - 1)


def _compare(name: str, batch: list[Case]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "cases.py").write_text(f"CASES = {batch!r}\n")
        try:
            done = vms.run(name, SCRIPT, paths=(*vms.SHARED, Path(folder)))
        except vms.MissingVmError as error:
            missing(f"the {name} VM", error.package)
    assert done.returncode == 0, done.stderr[-2000:]
    for case, said in zip(batch, done.stdout.splitlines(), strict=True):
        assert said == answer(case), case


@pytest.mark.parametrize("name", vms.NAMES)
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_every_vm_answers_as_cpython_does(name: str, seed: int) -> None:
    """Values, bytes and error codes agree, whatever the width of the machine's integers."""
    _compare(name, cases(seed, 120))


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", vms.NAMES)
@settings(max_examples=300, deadline=None)
@given(seed=SEEDS)
def test_every_vm_answers_as_cpython_does_at_length(name: str, seed: int) -> None:
    """The same, some thirty thousand cases for each VM."""
    _compare(name, cases(seed, 120))


@settings(max_examples=600, deadline=None)
@given(seed=SEEDS)
def test_what_is_encoded_is_decoded(seed: int) -> None:
    """A frame within the bounds comes back whole; one over them is refused as too long."""
    case = frame_case(Random(seed))
    said = answer(case)
    if said == "too_long":
        return
    assert said.endswith("verified=True")
    for name, value in case["frame"].items():
        if name not in {"columns", "fields"}:
            assert f"{name}={value!r} " in said
    for ident, values, quality in case["frame"].get("columns", ()):
        offsets_on_grid = ident == 1 and not any(values)
        assert f" {ident}:{(values, quality)!r}" in said or offsets_on_grid


@settings(max_examples=2000, deadline=None)
@given(seed=SEEDS)
def test_any_bytes_give_a_frame_or_one_wire_error(seed: int) -> None:
    """`answer` lets no other exception through."""
    assert answer(near_case(Random(seed)))


@settings(max_examples=500, deadline=None)
@given(data=st.binary(max_size=1100))
def test_noise_gives_a_frame_or_one_wire_error(data: bytes) -> None:
    """The same for bytes that Hypothesis chooses and shrinks."""
    assert answer({"hex": data.hex()})
