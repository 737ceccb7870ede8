"""Messages between the bridge's two processes: a length and a pickle, over a socket pair that nobody else can open."""

from __future__ import annotations

import pickle
from asyncio import IncompleteReadError
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

_HEAD = 4
_MOST_WAITING = 1 << 20  # bytes that the other side has not read; what is told is told again within a second


def send(writer: StreamWriter, *message: Any, needed: bool = False) -> bool:
    """Send one message; False when the other side is gone, or does not read and the message is not `needed`."""
    if writer.is_closing() or (writer.transport.get_write_buffer_size() > _MOST_WAITING and not needed):
        return False
    data = pickle.dumps(message)
    writer.write(len(data).to_bytes(_HEAD, "big") + data)
    return True


async def receive(reader: StreamReader) -> tuple[Any, ...] | None:
    """Return the next message, None when the other side has ended."""
    try:
        size = int.from_bytes(await reader.readexactly(_HEAD), "big")
        # The other end of the pair is this bridge's own process: its pickles are as good as our code.
        message: tuple[Any, ...] = pickle.loads(await reader.readexactly(size))  # noqa: S301
    except (IncompleteReadError, ConnectionError):
        return None
    return message
