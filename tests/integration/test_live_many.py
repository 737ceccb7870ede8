"""Two hundred open pages at once: each hears each change, one more is refused in words, and the API goes on answering."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import pytest

from city_rig import City, serving
from pantau.web.events import MAX_CLIENTS
from pantau_wire import names as T


@pytest.fixture
def city(tmp_path):
    made = City(tmp_path)
    made.feed("flood-01", {T.WATER_DISTANCE: [4600] * 5})
    with serving(made.app) as url:
        made.at = urlsplit(url)
        yield made
    made.close()


async def ask(city, path):
    reader, writer = await asyncio.open_connection(city.at.hostname, city.at.port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: {city.at.netloc}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    return reader, writer, int(head.split()[1])


async def hears(reader, name):
    """Read the stream until an event of this name; return its data."""
    while True:
        line = (await reader.readline()).decode().strip()
        assert line or not reader.at_eof(), "the stream ended"
        if line == f"event: {name}":
            data = (await reader.readline()).decode()
            return json.loads(data.partition(": ")[2])


async def status(city, path):
    _, writer, found = await ask(city, path)
    writer.close()
    await writer.wait_closed()
    return found


def test_two_hundred_pages_hear_each_change_and_one_more_is_refused(city):
    async def scene():
        pages = [await ask(city, "/api/events") for _ in range(MAX_CLIENTS)]
        assert {found for _, _, found in pages} == {200}
        assert await status(city, "/api/events") == 503
        assert await status(city, "/api/nodes.geojson") == 200
        city.now_s += 1
        feeding = asyncio.to_thread(city.feed, "flood-01", {T.WATER_DISTANCE: [1000]}, alarm=True)
        heard, _ = await asyncio.gather(
            asyncio.gather(*(hears(reader, "change") for reader, _, _ in pages)),
            feeding,
        )
        alerts = await asyncio.gather(*(hears(reader, "alerts") for reader, _, _ in pages))
        # Half of the rooms switch off: their places come free.
        for _, writer, _ in pages[::2]:
            writer.close()
            await writer.wait_closed()
        while await status(city, "/api/events") != 200:
            city.now_s += 1
            await asyncio.to_thread(city.feed, "flood-01", {T.WATER_DISTANCE: [1001]}, alarm=True)
        for _, writer, _ in pages[1::2]:
            writer.close()
            await writer.wait_closed()
        return heard, alerts

    heard, alerts = asyncio.run(asyncio.wait_for(scene(), 50))
    assert len(heard) == len(alerts) == MAX_CLIENTS
    assert all(one == heard[0] for one in heard) and len(heard[0]["features"]) == 1
    assert all(one["open"] >= 1 and one["changed"] for one in alerts)
