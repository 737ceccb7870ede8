"""The sources of a node, compiled as a board gets them (pantau.node.mpy) and kept between runs."""

import hashlib
import inspect
import os
import shutil
import tempfile
from pathlib import Path

from pantau.node.mpy import OPTIONS, STARTED, MissingCompilerError, compile_file, spoken
from pantau.node.shorten import shorten
from pantau_sim.vm import MissingVmError

__all__ = ["STARTED", "cache_folder", "compiled"]


def cache_folder() -> Path:
    """Where compiled trees are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pantau" / "mpy"


def compiled(root: Path, parts: tuple[str, ...] = (".",), keep: tuple[str, ...] = STARTED) -> Path:
    """A folder with every .py below root/part compiled, those named in `keep` as they are; made once per content.

    MissingVmError without mpy-cross; subprocess.CalledProcessError with the compiler's words for code it refuses.
    """
    sources = sorted(path for part in parts for path in _sources(root / part))
    digest = hashlib.sha256(
        "\0".join((*keep, *OPTIONS, "stem, short parameters of node and wire", *sorted(spoken()))).encode()
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
            _compile(path, made / path.relative_to(root), str(path.relative_to(root)), keep)
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():  # another process was faster, with the same content
                raise
    return target


def _sources(place: Path) -> list[Path]:
    return [place] if place.is_file() else list(place.rglob("*.py"))


def _compile(source: Path, target: Path, name: str, keep: tuple[str, ...]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if name in keep:
        shutil.copyfile(source, target)
        return
    try:
        compile_file(source, target.with_suffix(".mpy"), name)
    except MissingCompilerError as error:
        raise MissingVmError(f"{error}; nodes run compiled firmware") from None
