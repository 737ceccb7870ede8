"""Length limits: a module of at most 400 lines, a function of at most 60 (generated files excepted)."""

from __future__ import annotations

import ast
from pathlib import Path

import vms

MODULE_LINES = 400
FUNCTION_LINES = 60
ROOMS = ("host", "schemas", "simulator", "firmware", "tools", "tests")
GENERATED = ("_tables.py", "_flood.py", "_traffic.py", "_air.py", "names.py")


def too_long(file: Path) -> list[str]:
    """Say what in `file` is over a limit, with its line."""
    text = file.read_text(encoding="utf-8")
    lines = text.count("\n")
    said = [f"{file}: {lines} lines, at most {MODULE_LINES}: split it by what changes together"] * (
        lines > MODULE_LINES
    )
    for node in ast.walk(ast.parse(text, str(file))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                said.append(f"{file}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES}")
    return said


def judge() -> tuple[bool, str]:
    """Judge every Python file of the rooms."""
    said = []
    for room in ROOMS:
        for file in sorted((vms.ROOT / room).rglob("*.py")):
            if file.name not in GENERATED:
                said += too_long(file)
    return not said, "\n".join(said)
