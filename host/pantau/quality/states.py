"""What the fold remembers: JSON objects by key, of which only the busiest stand in memory."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

State = dict[str, Any]
_LIVE = 256  # states as objects: one takes some 20 KB, and a tenth of that as text


class States:
    """States by key. What is not in use is text, and once saved it is looked up where it was saved."""

    def __init__(self, saved: Mapping[str, str] | None = None, live: int = _LIVE) -> None:
        """`saved` gives the texts that were returned by `changed` and saved since, now and later: a dict, or a file."""
        self._saved: Mapping[str, str] = {} if saved is None else saved
        self._live: OrderedDict[str, State] = OrderedDict()
        self._most = live
        self._texts: dict[str, str] = {}  # not saved, and perhaps not live
        self._dirty: dict[str, None] = {}  # changed since the last `changed`; a set that keeps its order

    def get(self, key: str) -> State:
        """Return the state, {} for a new key, to be changed in place until `settle`."""
        state = self._live.get(key)
        if state is None:
            state = self._live[key] = self._read(key)
        else:
            self._live.move_to_end(key)
        self._dirty[key] = None
        return state

    def settle(self) -> None:
        """Let go of those longest out of use. Only between frames: what `get` returned is in use until then."""
        while len(self._live) > self._most:
            oldest, idle = self._live.popitem(last=False)
            if oldest in self._dirty:
                self._texts[oldest] = _text(idle)

    def look(self, key: str) -> State:
        """Return the state to read only, {} for an unknown key."""
        state = self._live.get(key)
        return self._read(key) if state is None else state

    def changed(self) -> dict[str, str]:
        """Return the texts of all that was changed and not yet `saved`."""
        for key in self._dirty:
            if (state := self._live.get(key)) is not None:
                self._texts[key] = _text(state)
        self._dirty.clear()
        return dict(self._texts)

    def saved(self) -> None:
        """Note that what `changed` returned last can be found in `saved` from now on."""
        self._texts = {key: self._texts[key] for key in self._dirty if key in self._texts}

    def _read(self, key: str) -> State:
        text = self._texts.get(key) or self._saved.get(key)
        state: State = {} if text is None else json.loads(text)
        return state


def _text(state: State) -> str:
    return json.dumps(state, separators=(",", ":"))
