"""The running node: its tasks, who watches them, and what happens when memory or patience end. pantau_boot.py calls run()."""

import asyncio
import gc
import sys

from micropython import const

from . import log
from .rare import drop

_TICK_MS = const(20000)  # how often the watchdog is fed
_GRACE_MS = const(60000)
_SAMPLER_MS = const(90000)  # its longest step is 20 s; while it sleeps it says until when
_PROVED_MS = const(600000)  # a boot that lived so long is no boot loop, whatever the network does
_SAFE_MS = const(3600000)  # so long the safe profile serves before the sensors are tried again
_HOUR_MS = const(3600000)
_AGAIN_S = const(5)  # a task that died of a defect is started again after this
_RARE = (
    "report",
    "facts",
    "orders",
    "change",
    "config",
    "slots",
    "files",
    "clockset",
    "counters",
    "marks",
    "fieldwork",
    "wiring",
    "links.why",
    "links.tls",
)
_LOW = const(8192)  # bytes of heap below which work is put off
_LONG = const(4)  # so many looks in a row: something has leaked
_LEAST = const(4096)  # below this a restart is cleaner than a MemoryError somewhere
# Collected at the latest after so many bytes: the heap must not grow into what TLS needs. The start makes much garbage and
# few things that stay, so it may have more: a battery node pays for each collection of each wake.
_GARBAGE = const(1792)
_GARBAGE_AT_START = const(4096)


class App:
    """Glue between sampler, core and link; nothing here decides what is measured or sent.

    floor: Mark of the least time; starts: pantau_boot.Starts; wdt: the watchdog or None. wire() completes it.
    """

    def __init__(self, board, node, facts, floor, starts, wdt):
        self.board = board
        self.node = node
        self.facts = facts
        self._floor = floor
        self.starts = starts
        self.clock = node.clock
        self.sampling = True
        self.proved = False
        self._saved_ms = 0
        self._low = 0
        self._wdt = wdt

    def wire(self, link, station, sampler, nap, sntp, kept):
        """Take what it runs; nap: Sleep of a battery profile or None, sntp: SntpTask or None; kept: path of a maintenance's file."""
        self._kept = kept
        self.link = link
        self.station = station
        self.sampler = sampler
        self.nap = nap
        self.sntp = sntp

    # -- events of the sampler and the link

    def on_record(self, *record):
        """Take the record of a sampling instant: see Node."""
        made = self.node.on_record(*record)
        self._settle()
        if made:
            self.link.wake()

    def on_up(self, up):
        """The link came or went."""
        self.node.on_link(up)
        self._settle()

    def on_message(self, payload):
        """A frame came down."""
        self.node.on_message(payload)
        self._settle()

    def on_clock(self, did):
        """Somebody other than the bridge set the clock."""
        self.node.on_clock(did)
        self._settle()

    def next_send(self):
        """Return the next frame to publish, or None."""
        self.node.on_tick()
        return self.node.next_send()

    def due_ms(self):
        """Return when to ask again, in ms."""
        return self.node.due_ms()

    def ack_age_ms(self):
        """Return for how long frames have waited without an acknowledgement, in ms, or None."""
        return self.node.ack_age_ms()

    def on_stuck(self):
        """The link is at its wits' end: no acknowledgement for a day, or no memory for TLS."""
        self.starts.planned()
        self.restart("the link is stuck")

    def _settle(self):
        self.node.on_tick()
        action = self.node.take_action()
        while action is not None:
            name, value = action
            if name == "clock":
                self._save_clock()
            elif name == "rare":
                drop(*_RARE)
            elif name == "maintenance":
                self._maintain(value)
            elif name == "update":
                self._update(value)
            elif name == "unlock":
                from .console import leave  # asked for, or about to be

                self.board.repl_ms = value
                asyncio.create_task(leave())
            elif name == "restart":
                self.starts.planned()
                self.restart(value)
            else:
                log("warn", "node", value)
            action = self.node.take_action()

    def _maintain(self, seconds):
        from .maintenance import replace

        self.node.maintenance = replace(self.node.maintenance, self.clock, self._kept, seconds, self.node.boot)
        if not seconds:
            self.node.maintained()

    def _update(self, fields):
        try:
            from .update import take

            take(self, fields)
        except MemoryError:
            pass  # it is sent again

    def _save_clock(self):
        self._saved_ms = self.clock.uptime_ms()
        try:
            from .timekeeper import Timekeeper  # hourly

            Timekeeper(self.clock, self.board, self.starts.keep, self._floor).save()
        except MemoryError:
            pass  # the RTC goes on as it was set last
        drop("timekeeper", "clockset", "counters", "marks")

    def restart(self, why):
        log("warn", "app", "restart: " + why)
        self._save_clock()
        self.board.restart()

    # -- tasks

    async def run(self):
        """Run for ever."""
        tasks = [("link", self.link.run), ("sampler", self._sample), ("station", self.station.run)]
        if self.nap is not None:
            tasks = [("sleep", self._sleep)]
        elif self.sntp is not None:
            tasks.append(("sntp", self.sntp.run))
        if self.node.siren is not None:
            tasks.append(("siren", self.node.siren.run))
        for name, task in tasks:
            asyncio.create_task(self.guard(name, task))
        asyncio.create_task(self._listen(*self.board.cable()))
        while True:
            wait_ms = min(_TICK_MS, max(self.node.due_ms(), 1000))
            due = self.clock.uptime_ms() + wait_ms
            await asyncio.sleep(wait_ms / 1000)
            now = self.clock.uptime_ms()
            self.facts.late_ms = max(self.facts.late_ms, now - due)
            self._settle()
            self._watch(now)

    def _watch(self, now):
        """Feed the watchdog if every task keeps its deadline; look after memory, clock and the count of starts."""
        late = self._late(now)
        if late is not None:
            self.starts.defect("%s: no sign of life" % late)
            self.restart(late + " is stuck")
        self._memory()
        if now - self._saved_ms >= _HOUR_MS:
            self._save_clock()
        safe = self.facts.safe
        # By age alone only without a configuration on trial: its crash must be told from its success.
        if not self.proved and not safe and (self.node.acked or (now >= _PROVED_MS and not self.node.restless())):
            self.proved = True
            self.starts.proved()
        if safe and now >= _SAFE_MS:
            self.starts.once_more()
            self.restart("the sensors once more")
        if self._wdt is not None:
            self._wdt.feed()

    def _late(self, now):
        """Return the name of a task that is past its deadline, or None."""
        if self.sampling and now - self.sampler.beat_ms > _SAMPLER_MS:
            return "sampler"
        if self.nap is None and now > self.link.beat_ms + _GRACE_MS:
            return "link"
        return None

    def _memory(self):
        """Shed before there is a MemoryError; restart, with everything in flash, where that does not help."""
        if gc.mem_free() >= _LOW or self.facts.note() >= _LOW:
            self._low = 0
            return
        self._low += 1
        self.facts.shed += 1
        try:
            drop(*_RARE)
            self.node.seal_open()
        except MemoryError:
            self._exhausted()
        if self._low >= _LONG or self.facts.note() < _LEAST:
            self._exhausted()

    def _exhausted(self):
        """Restart: all that counts is in flash. There may be no memory to say why, so the order is what matters."""
        try:
            self.starts.defect("out of memory, %d bytes at the least" % self.facts.heap_min)
            self.restart("memory")
        except MemoryError:
            self.board.restart()

    async def _sleep(self):
        await self.nap.run(self.clock, self.node, self.sampler, self.link, self.node.outbox)

    async def _listen(self, stream, out):
        """Wait for a technician's cable: nothing of the console is in memory before the first zero byte."""
        read = asyncio.StreamReader(stream).read
        byte = await read(1)
        while byte:
            if byte == b"\0":
                try:
                    from .console import serve

                    done = await serve(self, stream, out)
                    serve = None
                    drop(*done)
                except MemoryError:
                    pass  # it is asked again
            byte = await read(1)

    async def _sample(self):
        await self.sampler.run()
        self.sampling = False
        self.node.flush()
        self.link.wake()
        log("info", "sampler", "sampling ended after %d records; delivering on" % self.node.produced)

    async def guard(self, name, task):
        """Run a task to its end; a defect in one must not take the others down, and it is started again."""
        while True:
            try:
                await task()
                return
            except MemoryError:
                self._exhausted()
            except Exception as error:  # noqa: BLE001  whatever it was, measuring goes on
                log("error", name, "stopped by %r, starting again" % error)
                sys.print_exception(error, sys.stderr)  # pyright: ignore[reportArgumentType]  a stub too narrow
                self.starts.defect(error, name + ": ")
                self.facts.defect = self.starts.last_defect()
            await asyncio.sleep(_AGAIN_S)


def build_config(body):
    """Return (Config, problems); imports by name, so that the module can be dropped in between."""
    from .config import build

    return build(body)


async def main(root, board, starts):
    """Build the node from what is kept below root and run it for ever."""
    gc.threshold(_GARBAGE_AT_START)
    from .start import build

    parts = await build(root, board, starts)
    del build  # it would hold all that only the start needs
    drop("start")
    from .finish import assemble

    app = assemble(parts)
    del assemble, parts
    drop("finish", "files", "wiring", "links.address", "pantau_wire.topics")
    gc.threshold(_GARBAGE)
    await app.run()


def run(starts, root="/"):
    """Run the node; starts: pantau_boot.Starts. Ctrl-C leads to the REPL."""
    import pantau_node

    from .board import Board

    pantau_node.keep = starts.keep
    board = Board()
    try:
        asyncio.run(main(root, board, starts))
    except KeyboardInterrupt:
        board.leave()
        raise
