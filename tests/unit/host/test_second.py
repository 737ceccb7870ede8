"""The second process from the first one's side, with a stand-in that behaves badly; the real one is in tests/integration."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from pantau import second
from unit.host import bridge_kit as kit

SAY = """
import pickle, socket, sys, time
peer = socket.socket(fileno=int(sys.argv[1]))
def say(*message):
    data = pickle.dumps(message)
    peer.sendall(len(data).to_bytes(4, "big") + data)
"""


@pytest.fixture
def stand_in(monkeypatch):
    """Let the child run this text instead of pantau.city."""
    real = asyncio.create_subprocess_exec

    def use(text):
        async def start(python, _m, _module, handle, **more):
            return await real(python, "-c", SAY + text, handle, **more)

        monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
        monkeypatch.setattr(second, "_STOP_S", 0.2)

    return use


def test_a_process_that_hangs_at_its_end_is_killed_and_started_again_and_ends_nothing_else(stand_in):
    stand_in('say("ready"); say("beat", {"x": 1.0}, []); peer.close(); time.sleep(60)')

    async def run():
        made = second.SecondProcess(None)
        task = asyncio.create_task(made.run())
        await kit.until(lambda: made._starts >= 2)
        assert not task.done()
        assert made.figures == {"x": 1.0}
        await made.stop(task)
        assert not made.alive

    asyncio.run(run())


def test_what_people_must_correct_before_it_ever_ran_is_raised(stand_in):
    stand_in('say("failed", "web.listen: taken", True)')

    async def run():
        with pytest.raises(second.CityFailedError, match="taken"):
            await second.SecondProcess(None).run()

    asyncio.run(run())


def test_a_disk_that_is_full_at_its_start_is_waited_for(stand_in):
    stand_in('say("failed", "disk full", False)')

    async def run():
        made = second.SecondProcess(None)
        task = asyncio.create_task(made.run())
        await kit.until(lambda: made._starts >= 2)
        assert "disk full" in made.problems()[0]
        assert not made.alive  # nothing for a watchdog to miss
        await made.stop(task)

    asyncio.run(run())


def test_other_sinks_start_it_anew_and_what_is_told_meanwhile_ends_nothing(stand_in):
    # It answers, and ends once our half of the line is closed.
    stand_in('say("ready")\nwhile peer.recv(65536): pass\ntime.sleep(0.05)')

    async def run():
        made = second.SecondProcess(setup_with("a"))
        task = asyncio.create_task(made.run())
        await kit.until(lambda: made.alive)
        made.reconfigure(setup_with("b"))
        made.alarm([1])
        made.busy(True)
        made.tell({}, [])
        made._tell_grown()
        made.reconfigure(setup_with("c"))  # before it has ended: the next start has this one
        await kit.until(lambda: made._starts == 2 and made.alive)
        assert made.setup == setup_with("c")
        assert not made.problems()
        await made.stop(task)

    asyncio.run(run())


def setup_with(sinks):
    return SimpleNamespace(config=SimpleNamespace(sinks=sinks))
