"""Gives the parameters of the node's functions short names before they are compiled; nothing else changes.

MicroPython keeps the name of every parameter of every function in a table that is never collected: 15 bytes and its letters
each, and the table doubles at 1,260 names, for 9 KB in one block. A parameter's name means something only to its own
function, so it is renamed there, unless somebody calls with it by name. What is compiled so is what the simulator runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

_POOL = "abcdefghijklmnopqrstuvwxyz"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def keywords(sources: Iterable[str]) -> frozenset[str]:
    """Return every name that some call in these sources gives an argument by."""
    found: set[str] = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call):
                found.update(keyword.arg for keyword in node.keywords if keyword.arg)
    return frozenset(found)


def shorten(source: str, kept: frozenset[str], *, public: bool = True) -> str:
    """Return the source with short parameter names; public: also those of functions that do not begin with an underscore.

    Kept are `self`, the names in `kept`, and all of an __init__: a driver's options come from the configuration.
    """
    tree = ast.parse(source)
    for function in ast.walk(tree):
        name = getattr(function, "name", "_")
        if isinstance(function, _FUNCTIONS) and name != "__init__" and (public or name.startswith("_")):
            _rename(function, kept)
    return ast.unparse(tree)


def _arguments(function: ast.AST) -> list[ast.arg]:
    given = function.args  # type: ignore[attr-defined]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]


def _rename(function: ast.AST, kept: frozenset[str]) -> None:
    inside = list(ast.walk(function))
    if any(isinstance(node, ast.Global | ast.Nonlocal) for node in inside):
        return
    inner = {
        arg.arg for node in inside if isinstance(node, _FUNCTIONS) and node is not function for arg in _arguments(node)
    }
    used = {node.id for node in inside if isinstance(node, ast.Name)}
    used |= {node.arg for node in inside if isinstance(node, ast.arg)}
    free = [name for name in _POOL if name not in used and name not in kept]
    short = {}
    for arg in _arguments(function):
        if arg.arg != "self" and len(arg.arg) > 1 and arg.arg not in kept and arg.arg not in inner and free:
            short[arg.arg] = free.pop(0)
    for node in inside:
        if isinstance(node, ast.Name):
            node.id = short.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = short.get(node.arg, node.arg)
