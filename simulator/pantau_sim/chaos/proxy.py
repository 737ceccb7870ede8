"""A TCP proxy that can be a bad network: slow, silent, refusing, cut."""

from __future__ import annotations

import asyncio
import contextlib

_CHUNK = 65_536


class Proxy:
    """Listens on a port of loopback and passes bytes on to `target`. `delay_s` is added to every piece."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.delay_s = 0.0
        self.refusing = False
        self._target = target
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def silence(self, *, on: bool) -> None:
        """Hold all bytes back, in both directions, with connections standing; or let them through again."""
        (self._flows.clear if on else self._flows.set)()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def heal(self) -> None:
        """Be a good network again."""
        self.delay_s, self.refusing = 0.0, False
        self.silence(on=False)

    async def close(self) -> None:
        """Stop, connections and all."""
        if self._server is not None:
            self._server.close()
        self.heal()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            if self.refusing:
                return
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(far)
            ways = {asyncio.create_task(self._pass(reader, far)), asyncio.create_task(self._pass(far_reader, writer))}
            _, other = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in other:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            return  # the broker is down: so is what lies before it
        finally:
            for end in (writer, far):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
