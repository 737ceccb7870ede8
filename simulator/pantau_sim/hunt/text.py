"""A case as the text of a scenario file."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def text(tables: Mapping[str, Any], comments: Sequence[str] = ()) -> str:
    """Return the file: comments first, then a table or an array of tables after the other; what is within these stands in one line."""
    lines = [f"# {comment}".rstrip() for comment in comments]
    for name, table in tables.items():
        for row in table if isinstance(table, list) else [table]:
            head = f"[[{name}]]" if isinstance(table, list) else f"[{name}]"
            lines += ["", head, *(f"{key} = {_value(value)}" for key, value in row.items())]
    return "\n".join(lines).lstrip("\n") + "\n"


def _value(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_value(inner)}' for key, inner in value.items())} }}"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
