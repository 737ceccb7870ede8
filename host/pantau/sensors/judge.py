"""Runs `portable/judge.py` in both interpreters and puts their verdicts together.

A process of its own on CPython too: the bridge never imports the node, and both interpreters get the same script.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARK = "@@judge "
_TIMEOUT_S = 300
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class JudgeError(Exception):
    """An interpreter did not come to an end; the text has its last words."""


class VectorFileError(Exception):
    """A file is not a vector file; the text names it and says what is wrong."""


@dataclass
class FileResult:
    """Counts of one vector file; `reasons` lists (vector id, verdict, why) of all that did not pass."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Sources:
    """Folders of the node's code: those that hold pantau_node and pantau_wire, and the shim that CPython needs for them."""

    firmware: Path
    wire: Path
    shim: Path


def run(interpreter: Path | None, sources: Sources, *words: str) -> list[Any]:
    """Return the events of portable/judge.py with these words; interpreter None is this CPython. JudgeError otherwise."""
    folders = [Path(__file__).with_name("portable"), sources.firmware, sources.wire]
    script = str(folders[0] / "judge.py")
    if interpreter is None:
        folders.append(sources.shim)
        argv, variable, last = [sys.executable, script, *words], "PYTHONPATH", ""
    else:
        argv = [
            str(interpreter),
            "-X",
            "heapsize=64M",
            script,
            *words,
        ]  # whole vector files at once, as no node has them
        variable, last = "MICROPYPATH", os.pathsep + ".frozen"
    environment = {**os.environ, variable: os.pathsep.join(map(str, folders)) + last}
    try:
        done = subprocess.run(
            argv,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise JudgeError(f"{argv[0]} was still judging after {_TIMEOUT_S} s") from None
    if done.returncode:
        raise JudgeError(f"{argv[0]} ended with status {done.returncode}: {(done.stdout + done.stderr)[-600:]}")
    return [json.loads(line[len(_MARK) :]) for line in done.stdout.splitlines() if line.startswith(_MARK)]


def find_files(folder: Path) -> list[Path]:
    """Return the vector files of a folder, by name; VectorFileError when there is none or one cannot be read as such."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise VectorFileError(f"{folder} holds no .json files: name a folder of sensor vectors")
    for path in files:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            whole = all(isinstance(v, dict) and isinstance(v.get("kind"), str) for v in data["vectors"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise VectorFileError(f"{path} is not a vector file: {error!r}") from None
        if not whole:
            raise VectorFileError(f"{path} is not a vector file: each of its vectors needs a kind")
    return files


def judge(files: Sequence[Path], vm: Path, sources: Sources) -> dict[str, FileResult]:
    """Return the result of each file by name. A vector passes only where both interpreters pass it; they must agree."""
    names = [str(path.resolve()) for path in files]
    here = {(e[0], e[1]): (e[2], e[3]) for e in run(None, sources, "vectors", *names)}
    there = {(e[0], e[1]): (e[2], e[3]) for e in run(vm, sources, "vectors", *names)}
    results: dict[str, FileResult] = {}
    for number, path in enumerate(files):
        result = results[path.name] = FileResult()
        for index, vector in enumerate(json.loads(path.read_text(encoding="utf-8"))["vectors"]):
            missing = (FAILED, "was not judged")
            (verdict, why), (vm_verdict, vm_why) = (
                here.get((number, index), missing),
                there.get((number, index), missing),
            )
            if verdict != vm_verdict:
                verdict, why = FAILED, f"CPython: {verdict} {why}; VM: {vm_verdict} {vm_why}".rstrip()
            setattr(result, verdict, getattr(result, verdict) + 1)
            if verdict != PASSED:
                result.reasons.append((str(vector.get("id", f"#{index}")), verdict, why))
    return results
