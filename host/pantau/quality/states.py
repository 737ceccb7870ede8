"""What the fold remembers: JSON objects by key, of which only the busiest stand in memory as objects."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

State = dict[str, Any]
_LIVE = 2048  # states as objects; a node's takes some 10 KB as such and 2 KB as text


class States:
    """States by key. A state that is not in use is its text, so memory is that of the texts."""

    def __init__(self, texts: Mapping[str, str] | None = None, live: int = _LIVE) -> None:
        self._texts = dict(texts or {})
        self._live: OrderedDict[str, State] = OrderedDict()
        self._most = live
        self._dirty: dict[str, None] = {}  # a set that keeps its order

    def get(self, key: str) -> State:
        """Return the state, {} for a new key, to be changed in place until `settle`."""
        self._dirty[key] = None
        state = self._live.get(key)
        if state is not None:
            self._live.move_to_end(key)
            return state
        text = self._texts.pop(key, None)
        state = json.loads(text) if text is not None else {}
        self._live[key] = state
        return state

    def settle(self) -> None:
        """Turn those longest out of use into text. Only between frames: what `get` returned is in use until then."""
        while len(self._live) > self._most:
            oldest, idle = self._live.popitem(last=False)
            self._texts[oldest] = _text(idle)

    def look(self, key: str) -> State:
        """Return the state to read only, {} for an unknown key."""
        state = self._live.get(key)
        if state is not None:
            return state
        text = self._texts.get(key)
        return json.loads(text) if text is not None else {}

    def changed(self) -> dict[str, str]:
        """Return the texts of all that was got since the last call."""
        texts = {key: _text(self._live[key]) if key in self._live else self._texts[key] for key in self._dirty}
        self._dirty.clear()
        return texts


def _text(state: State) -> str:
    return json.dumps(state, separators=(",", ":"))
