"""The console's loop without a VM: it keeps a sleeping node awake while it is talked to, and ends by itself."""

from __future__ import annotations

import asyncio
import io
import os
from types import SimpleNamespace
from typing import Any

import pytest

from pantau_node import console
from pantau_wire import line


class Clock:
    """Runs half a second with each look."""

    now = 0

    def uptime_ms(self) -> int:
        self.now += 500
        return self.now


@pytest.fixture(autouse=True)
def everything_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this process hold modules that a node would let go."""
    monkeypatch.setattr(console, "drop", lambda *_names: None)


def talk(sent: bytes) -> tuple[Any, io.BytesIO, tuple[str, ...]]:
    node = SimpleNamespace(identity=SimpleNamespace(node="n-1"), awake_ms=0)
    app = SimpleNamespace(node=node, clock=Clock())
    out = io.BytesIO()
    inner, outer = os.pipe()
    with os.fdopen(inner, "rb", buffering=0) as stream, os.fdopen(outer, "wb", buffering=0) as typed:
        typed.write(sent)
        done = asyncio.run(console.serve(app, stream, out))
    return app, out, done


def test_it_ends_after_a_minute_of_silence_and_says_what_to_let_go() -> None:
    app, out, done = talk(b"somebody types\r\n\0\0")
    assert 60000 <= app.clock.now < 64000 and out.getvalue() == b"" and app.node.awake_ms == 0
    assert "console" in done and "pantau_wire.line" in done


def test_a_question_keeps_a_node_awake_and_the_console_loaded_for_another_minute() -> None:
    app, out, _ = talk(
        line.packet(line.ASK, "", b'\x07{"do":"put"}') + line.packet(line.ASK, "n-2", b'\x08{"do":"put"}')
    )
    assert app.node.awake_ms >= 60000 and app.clock.now >= app.node.awake_ms
    reader = line.Reader()
    reader.feed(out.getvalue())
    assert reader.next() == (line.SAY, "", b'\x07\x00{"error": "bad_request", "text": "put needs at, of and b64"}')
    assert reader.next() is None, "what is for another node has no answer"
