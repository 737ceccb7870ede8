"""Runs `portable/judge.py` in each interpreter and puts their verdicts together.

A process of its own on CPython too: the bridge never imports the node, and all interpreters get the same script.
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
    from collections.abc import Callable, Mapping, Sequence

    # (script, its words, folders for sys.path, files that it reads) -> argv and environment
    Start = Callable[[Path, Sequence[str], Sequence[Path], Sequence[Path]], tuple[list[str], dict[str, str]]]

CPYTHON = "CPython"
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


def _on_cpython(
    script: Path, words: Sequence[str], folders: Sequence[Path], _reads: Sequence[Path]
) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, str(script), *words], {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}


def run(sources: Sources, *words: str, start: Start | None = None, reads: Sequence[Path] = ()) -> list[Any]:
    """Return the events of portable/judge.py with these words, on this CPython unless `start` starts another interpreter.

    JudgeError when it does not come to its end.
    """
    folders = [Path(__file__).with_name("portable"), sources.firmware, sources.wire]
    if start is None:
        start, folders = _on_cpython, [*folders, sources.shim]
    argv, environment = start(folders[0] / "judge.py", words, folders, reads)
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


def judge(files: Sequence[Path], others: Mapping[str, Start], sources: Sources) -> dict[str, FileResult]:
    """Return the result of each file by name. A vector passes only where CPython and all others, by name, pass it alike."""
    files = [path.resolve() for path in files]
    starts: dict[str, Start | None] = {CPYTHON: None, **others}
    verdicts = {
        name: {(e[0], e[1]): (e[2], e[3]) for e in run(sources, "vectors", *map(str, files), start=start, reads=files)}
        for name, start in starts.items()
    }
    results: dict[str, FileResult] = {}
    for number, path in enumerate(files):
        result = results[path.name] = FileResult()
        for index, vector in enumerate(json.loads(path.read_text(encoding="utf-8"))["vectors"]):
            said = {name: found.get((number, index), (FAILED, "was not judged")) for name, found in verdicts.items()}
            verdict, why = said[CPYTHON]
            if any(other != verdict for other, _ in said.values()):
                verdict, why = FAILED, "; ".join(f"{name}: {' '.join(one)}".rstrip() for name, one in said.items())
            setattr(result, verdict, getattr(result, verdict) + 1)
            if verdict != PASSED:
                result.reasons.append((str(vector.get("id", f"#{index}")), verdict, why))
    return results
