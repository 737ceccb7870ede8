"""What the gate holds of one boot of one node: which seqs are stored, and their tags. I/O-free, bounded.

A frame's tag stands for its bytes: two frames of one key with the same tag are the same frame. Tags are kept in pages,
so that "do we hold this very frame?" costs eight bytes a frame and no index over the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from pantau.window import Window
from pantau_wire import tag

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 32  # tags a page: what a node sends in half an hour at a frame a minute
SHIFT = PAGE.bit_length() - 1
_NONE = bytes(tag.SIZE)
_PAGES = 2  # saved ones that stay in memory for each boot


class Saved(NamedTuple):
    """One boot as the log's file keeps it: everything up to the frame id `folded` is in it."""

    node: str
    boot: int
    window: Window
    folded: int
    pages: dict[int, bytes]


class History(Protocol):
    """What was made durable before. The spool is one; tests use a dict."""

    @property
    def last_id(self) -> int:
        """Return the id of the last frame in the log, 0 for an empty one."""

    def boot(self, node: str, boot: int) -> Saved | None:
        """Return the boot as last saved, without pages; None for a boot that was never saved."""

    def page(self, node: str, boot: int, number: int) -> bytes | None:
        """Return one saved page of tags, None when there is none."""

    def tail(self) -> Iterator[tuple[int, str, bytes]]:
        """Yield (id, node, payload) of the frames that some saved boot may not have in it yet, oldest first."""


class Boot:
    """A window and its tags, live. `since` is the id of the first frame that is not saved, 0 when all is."""

    __slots__ = (
        "before",
        "boot",
        "changed",
        "epoch",
        "folded",
        "node",
        "number",
        "page",
        "pages",
        "since",
        "window",
    )  # fmt: skip

    def __init__(self, node: str, boot: int, window: Window, folded: int) -> None:
        self.node = node
        self.boot = boot
        self.window = window
        self.folded = folded
        self.pages: dict[int, bytearray] = {}
        self.changed: set[int] = set()  # numbers of the pages that are not saved
        self.since = 0
        self.epoch = -1  # of the batch that touched it last
        self.before = (0, 0, 0, 0)  # the window's numbers before that batch
        self.number, self.page = -1, bytearray()  # of the page that was written last, while it is not saved

    def tag_of(self, seq: int, history: History) -> bytes | None:
        """Return the tag of the frame stored as `seq`, None when none is known."""
        if seq > self.window.top:
            return None
        at = seq % PAGE * tag.SIZE
        found = bytes(self._page(seq >> SHIFT, history)[at : at + tag.SIZE])
        return None if found == _NONE else found

    def keep(self, seq: int, mark: bytes, history: History) -> None:
        """Note the tag of a frame that is about to be stored."""
        number = seq >> SHIFT
        at = seq % PAGE * tag.SIZE
        if number != self.number:
            known = number in self.pages or number <= self.window.top >> SHIFT
            self.page = self._page(number, history) if known else self._new(number)
            self.number = number
            self.changed.add(number)
        self.page[at : at + tag.SIZE] = mark

    def forget(self, seq: int) -> None:
        """Take back a tag whose commit failed."""
        page, at = self.pages.get(seq >> SHIFT), seq % PAGE * tag.SIZE
        if page is not None:
            page[at : at + tag.SIZE] = _NONE

    def to_save(self, folded: int) -> Saved:
        """Return what the log's file is to keep."""
        pages = {number: bytes(self.pages[number]) for number in self.changed}
        return Saved(self.node, self.boot, self.window.copy(), folded, pages)

    def saved(self, folded: int) -> None:
        """Note that the last `to_save` is durable; let go of pages that are not needed live."""
        self.folded, self.since, self.number = folded, 0, -1
        self.changed.clear()
        self._let_go()

    def _page(self, number: int, history: History) -> bytearray:
        page = self.pages.get(number)
        if page is None:
            held = history.page(
                self.node, self.boot, number
            )  # may fail: then there is no page rather than an empty one
            page = self._new(number)
            if held is not None:
                page[:] = held
        return page

    def _new(self, number: int) -> bytearray:
        self._let_go()
        page = self.pages[number] = bytearray(PAGE * tag.SIZE)
        return page

    def _let_go(self) -> None:
        """Drop saved pages beyond the few newest."""
        if len(self.pages) - len(self.changed) > _PAGES:
            for number in sorted(self.pages.keys() - self.changed)[:-_PAGES]:
                del self.pages[number]
