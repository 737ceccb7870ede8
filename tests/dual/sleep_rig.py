"""A battery node without hardware: chip, node, link and loop as the sleeper sees them, in a true time of their own."""

from pantau_node import clock as clocks
from pantau_node import config, sampler, sleep
from pantau_node.sleep import Sleep
from pantau_wire import names as T

FLOOR_S = 1672531200
UTC_MS = 1700000000000


class SleptError(Exception):
    """The chip went to sleep for so many ms of its own timer."""


class Chip:
    """Board, keep and true time; `drift_ppm`: by how much the RTC is slow asleep."""

    def __init__(self, drift_ppm=0):
        self.true_ms = 0
        self.booted_ms = 0
        self.rtc = 0
        self.drift_ppm = drift_ppm
        self.cause = 1
        self.mv = None
        self.kept = {}

    def get(self, key):
        return self.kept.get(key)

    def put(self, key, data):
        if data:
            self.kept[key] = data
        else:
            self.kept.pop(key, None)

    def rtc_ms(self):
        return self.rtc

    def reset_cause(self):
        return self.cause

    def battery_mv(self):
        return self.mv

    def deepsleep(self, ms):
        raise SleptError(ms)

    def ticks(self):
        return (self.true_ms - self.booted_ms) & 0x3FFFFFFF

    def pass_ms(self, ms):
        self.true_ms += ms
        self.rtc += ms

    def boot(self, asleep_ms=0, cause=4, start_ms=1200):
        """Sleep by the chip's timer, start again; the firmware is ready after start_ms."""
        self.rtc += asleep_ms
        self.true_ms += asleep_ms + asleep_ms * self.drift_ppm // 1000000
        self.booted_ms = self.true_ms
        self.cause = cause
        self.pass_ms(start_ms)


class Index:
    live = 0
    alarms = ()

    def pick(self, _lane, busy):
        for name in self.alarms:
            if not busy(*name):
                return name
        return None


class Box:
    def __init__(self):
        self.index = Index()


class Node:
    """As much of a node as the sleeper sees; the bridge answers while `heard`."""

    def __init__(self, rig):
        self.boot, self.acked, self.open, self.restless_now = 0, 0, 0, False
        self._rig = rig

    def state(self):
        return (5, self._rig.sampler.next_s)

    def restless(self):
        return self.restless_now

    def seal_open(self):
        if self.open:
            self.open = 0
            self._rig.box.index.live += 1


class Station:
    PROPERTIES = (T.WATER_DISTANCE,)
    alarm = False

    def __init__(self, chip):
        self._chip = chip

    async def sample(self, _deadline_ms):
        self._chip.pass_ms(2100)
        return {T.WATER_DISTANCE: (3000, 0)}


class Link:
    up = False
    attempts = 0

    async def run(self):
        pass

    def wake(self):
        pass


class Loop:
    """In place of asyncio: a sleep moves the chip's time, the link comes up in a second and a half where a broker is."""

    def __init__(self, rig):
        self._rig = rig

    def create_task(self, coroutine):
        coroutine.close()
        self._rig.connects.append(self._rig.chip.true_ms)
        self._rig.up_ms = self._rig.chip.true_ms + 1500
        return self

    def done(self):
        return False

    async def sleep(self, seconds):
        self._rig.pass_ms(int(seconds * 1000))


class Rig:
    """A battery node from wake to wake."""

    def __init__(self, drift_ppm=0, interval_s=60, report_s=900):
        self.conf, _ = config.build({"sampling": {"interval_s": interval_s}, "power": {"report_s": report_s}})
        self.chip = Chip(drift_ppm)
        self.box = Box()
        self.node = Node(self)
        self.link = Link()
        self.broker = True
        self.connects = []
        self.records = []  # (instant_s, true ms)
        self.off_ms = []  # error of the clock at each report
        self.up_ms = None
        self.wakes = 0
        self.nap = None

    def pass_ms(self, ms):
        self.chip.pass_ms(ms)
        if self.up_ms is None or not self.broker or self.chip.true_ms < self.up_ms:
            return
        if not self.link.up:
            self.link.up = True
            utc = UTC_MS + self.chip.true_ms
            if self.clock.utc_ms() is not None:
                self.off_ms.append(self.clock.utc_ms() - utc)
            self.clock.set_utc(utc, 100, clocks.SYNCED, clocks.BRIDGE)
        self.node.acked += self.box.index.live
        self.box.index.live = 0
        self.box.index.alarms = ()

    def on_record(self, instant_s, _row, *_more):
        self.records.append((instant_s, self.chip.true_ms))
        self.node.open += 1

    def run_one(self):
        """One time awake; return how long the timer runs."""
        self.link.up = False
        self.up_ms = None
        self.nap = nap = Sleep(self.conf, self.chip, self.chip)
        self.wakes += nap.wake(self.node.boot, self.node.boot, 5)
        self.node.boot += nap.resume is None
        self.clock = clocks.Clock(self.chip.ticks, FLOOR_S, nap.uptime_ms)
        nap.set_clock(self.clock)
        self.sampler = sampler.Sampler(
            self.clock, Station(self.chip), self.conf.sampling_interval_s, 0, self.on_record, nap.next_s
        )
        real, sleep.asyncio = sleep.asyncio, Loop(self)
        sampler.asyncio = sleep.asyncio
        try:
            nap.run(self.clock, self.node, self.sampler, self.link, self.box).send(None)
        except SleptError as slept:
            return slept.args[0]
        finally:
            sleep.asyncio = sampler.asyncio = real
        raise AssertionError("it never slept")

    def run(self, hours):
        self.chip.boot(0, 1)
        while True:
            ms = self.run_one()
            if self.chip.true_ms >= hours * 3600000:
                return
            self.chip.boot(ms)
