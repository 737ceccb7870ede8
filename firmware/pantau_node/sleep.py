"""Battery profile: deep sleep between the samples of one boot, a link only where something is due.

What lives over a sleep is in RTC memory: the numbers of this boot, and nothing that the flash does not have as well (each
record is in the journal). It is consumed when it is read, so a crash never replays it: without it the chip has simply
booted anew. Reasons and figures: docs/decisions/0009-power.md. I/O-free but for the board and the keep that it is given.
"""

import asyncio
import struct

from micropython import const

from . import ALARM
from . import clock as clocks

KEY = const(4)  # section of the keep
LOW_MV = const(3500)  # one lithium cell with a tenth of its charge left
_FORMAT = const(2)
_MINE = const(16)  # fields before those of the node
_LEAST_MS = const(3000)  # a shorter sleep costs more than it saves: a boot and its imports
_READY_MS = const(2000)  # from the timer to ready, until it is measured
_READY_MAX_MS = const(20000)
_EARLY = const(3)  # wakes in a row that no sleep came before: this chip or image cannot
_DEEPSLEEP = const(4)  # machine.reset_cause()
_MANY = const(64)  # frames that wait: more than one acknowledgement can name
_PATIENCE_MS = const(30000)  # without any progress on the link
_CELL_MS = const(150000)  # a modem boots for 12 s and looks for its network for up to a minute, with a PIN before that
_TRIES = const(3)  # the third attempt is not waited for: nobody is there, or the network is not
_LONGEST_MS = const(600000)  # with progress: a backlog of days goes out in several reports
_LINGER_MS = const(
    200
)  # for the PUBACK of what came down; orders come right behind the subscription, before any acknowledgement
_TIME_MS = const(3000)  # the answer with the time is worth so much longer
_POLL_MS = const(50)
_STEPS = const(3)  # doublings of the report interval while nobody answers
_UNLEARNT_PPM = const(30000)  # RC oscillator of the RTC: 2.6 % was needed elsewhere (facts/firmware.md 4.6)
_LEARNT_PPM = const(3000)  # what a warmer or colder night may add
_LEARN_MS = const(300000)  # a shorter sleep says little: the time itself is right within a second
_TOO_WRONG_MS = const(60000)
_MOST_PPM = const(100000)


def refusal(drivers):
    """Return why a node with these driver modules cannot sleep, or None: what is counted would be lost meanwhile."""
    for module in drivers:
        if hasattr(module, "COUNTS"):
            return (
                "power.profile: battery would lose the tips, pulses or vehicles that come while asleep; mains instead"
            )
    return None


def _never(_boot, _seq):
    return False


class Plan:
    """When to connect and how long to sleep; instants are ms of uptime.

    interval_s, report_s: of the configuration; lead_ms: the time that the sensors want before their instant.
    """

    def __init__(self, interval_s, report_s, lead_ms):
        self._interval_ms = interval_s * 1000
        self._report_ms = report_s * 1000
        self._lead_ms = lead_ms
        self.ready_ms = _READY_MS
        self.failures = 0
        self.report_at = 0  # the next regular report
        self.try_at = 0  # what is urgent may try from here on

    def due(self, now, urgent):
        """Return whether to connect now."""
        return now >= self.report_at or (urgent and now >= self.try_at)

    def done(self, now, heard, low):
        """A report ended; heard: the bridge answered; low: the battery is. Nobody there costs ever fewer attempts."""
        report_ms = self._report_ms * (4 if low else 1)
        if heard:
            self.failures = 0
            self.report_at = (now // report_ms + 1) * report_ms
            self.try_at = 0
            return
        step = min(self.failures, _STEPS)
        self.failures += 1
        self.report_at = now + (report_ms << step)
        self.try_at = now + min(self._interval_ms << min(self.failures, 8), report_ms)

    def sleep_ms(self, now, next_s):
        """Return for how long nothing is to be done before the sampling instant next_s, 0 if it is not worth a sleep."""
        rest = next_s * 1000 - self._lead_ms - self.ready_ms - now
        return rest if rest >= _LEAST_MS else 0

    def woke(self, late_ms):
        """Learn how long the chip takes from its timer to here; what is beyond 20 s was no start."""
        if late_ms < _READY_MAX_MS:
            self.ready_ms = (3 * self.ready_ms + max(0, late_ms) + 3) // 4


class Sleep:
    """The sleeper. conf: Config; board: rtc_ms(), deepsleep(ms), reset_cause(), battery_mv(); keep: Keep; drivers: modules.

    Before wake() and after a cold start: uptime_ms None, resume None, next_s 0.
    """

    def __init__(self, conf, board, keep, drivers=()):
        self._board = board
        self._keep = keep
        lead = [module.WARM_UP_MS + 2 * module.PERIOD_MS for module in drivers]
        self.plan = Plan(conf.sampling_interval_s, conf.power_report_s, max(lead) if lead else 0)
        # The session outlives the sleep with its socket open: the will tells of three reports missed.
        self.keepalive_s = min(2 * conf.power_report_s, 65535)
        self._patience = _CELL_MS if conf.link_kind == "ppp" else _PATIENCE_MS
        self.uptime_ms = None
        self.resume = None
        self.next_s = 0
        self._offset = None  # UTC minus uptime as it was carried, ms
        self._error = 0
        self._asleep = 0  # ms since the clock was last set
        self._ppm = 0  # by how much the RTC is slow while asleep
        self._learnt = 0
        self._early = 0
        self._link = None
        self.on_sleep = None  # called before the chip goes down

    # -- over the sleep

    def wake(self, boot, last_boot, last_seq):
        """Take back what save() kept; True if this boot goes on. boot: of the counter; last_*: latest frame of the outbox."""
        data = self._keep.get(KEY)
        if data is None:
            return False
        self._keep.put(KEY, b"")
        if len(data) <= 1 + 8 * _MINE or data[0] != _FORMAT or len(data) % 8 != 1:
            return False
        fields = struct.unpack("<%dq" % (len(data) // 8), data[1:])
        was, uptime, rtc, until, next_s, known, offset, error = fields[:8]
        slept = (self._board.rtc_ms() - rtc) * (1000000 + fields[9]) // 1000000
        if not 0 <= slept <= 2 * (until - uptime) + 60000 or was != boot:
            return False  # the RTC was set or lost its time: nobody knows how long it was
        if last_boot > was or (last_boot == was and last_seq > fields[_MINE]):
            return False  # frames that this state knows nothing of
        self.uptime_ms = now = uptime + slept
        self.resume = fields[_MINE:]
        self.next_s = next_s
        asleep, self._ppm, self._learnt, early = fields[8:12]
        self._asleep = asleep + slept
        if known:
            self._offset = offset
            self._error = error + slept * (_LEARNT_PPM if self._learnt else _UNLEARNT_PPM) // 1000000
        plan = self.plan
        plan.ready_ms, plan.failures, plan.report_at, plan.try_at = fields[12:_MINE]
        late = now - until
        if late >= -_LEAST_MS:
            plan.woke(late)
        elif self._board.reset_cause() != _DEEPSLEEP:
            self._early = early + 1  # a reset, not a wake: after some in a row no more sleep is tried
        return True

    def set_clock(self, clock):
        """Give the clock of a continued boot the time that it had, with what the sleep may have added in error."""
        if self._offset is not None:
            clock.set_utc(self._offset + clock.uptime_ms(), self._error, clocks.CARRIED, clocks.RTC)

    def save(self, clock, node, next_s, ms):
        """Keep the state of this boot for a sleep of `ms`; return how long the chip's own timer has to run, ms."""
        now = clock.uptime_ms()
        utc = clock.utc_ms(now)
        if clock.quality > clocks.CARRIED:
            self._learn(utc - now, clock.quality)
        plan = self.plan
        fields = (node.boot, now, self._board.rtc_ms(), now + ms, next_s, utc is not None, (utc or now) - now)
        fields += (self._error, self._asleep, self._ppm, self._learnt, self._early)
        fields += (plan.ready_ms, plan.failures, plan.report_at, plan.try_at) + node.state()
        self._keep.put(KEY, bytes((_FORMAT,)) + struct.pack("<%dq" % len(fields), *fields))
        return ms * 1000000 // (1000000 + self._ppm)

    def _learn(self, offset, quality):
        """The clock was set in this wake: what it was off by is the RTC's drift in the sleeps since it was set before."""
        if self._offset is not None and self._asleep >= _LEARN_MS and quality == clocks.SYNCED:
            off = (offset - self._offset) * 1000000 // self._asleep
            if abs(off) <= _MOST_PPM:
                self._ppm = max(-_MOST_PPM, min(_MOST_PPM, self._ppm + (off // 2 if self._learnt else off)))
                self._learnt = 1
        self._asleep = 0
        self._error = 1000 if quality == clocks.SYNCED else 20000

    # -- awake

    async def run(self, clock, node, sampler, link, outbox):
        """Sample, report what is due, sleep; for ever, where the chip does not sleep."""
        if self.resume is not None and not self._rest(clock, sampler):
            await sampler.step()
        while True:
            if self.plan.due(clock.uptime_ms(), self._urgent(clock, node, outbox)):
                heard = await self._report(clock, node, sampler, link, outbox)
                mv = self._board.battery_mv()
                self.plan.done(clock.uptime_ms(), heard, mv is not None and mv < LOW_MV)
            rest = self._rest(clock, sampler)
            if rest and self._early < _EARLY and not node.restless():
                if self.on_sleep is not None:
                    self.on_sleep()
                self._board.deepsleep(self.save(clock, node, sampler.next_s, rest))
            await sampler.step()

    def _rest(self, clock, sampler):
        return self.plan.sleep_ms(clock.uptime_ms(), sampler.next_s)

    def _urgent(self, clock, node, outbox):
        index = outbox.index
        if not self.plan.failures and (  # where nobody answers these are no reason to ask more often
            index.live >= _MANY
            or clock.quality == clocks.UNSET
            or (clock.quality == clocks.CARRIED and self._error > _TOO_WRONG_MS)
        ):
            return True
        return node.restless() or node.hurry or index.pick(ALARM, _never) is not None

    async def _report(self, clock, node, sampler, link, outbox):
        """Link up and deliver everything; return whether the bridge answered. Sampling goes on meanwhile."""
        node.hurry = False
        tries = link.attempts
        if self._link is None or self._link.done():
            self._link = asyncio.create_task(link.run())
        began = moved = clock.uptime_ms()
        acked = first = node.acked
        sealed = False
        idle = None
        now = began
        while now - moved < self._patience and now - began < _LONGEST_MS and link.attempts - tries < _TRIES:
            if link.up and not sealed:
                sealed = True
                node.seal_open()  # only now: what is sealed with the link up does not wait with the backlog
                link.wake()
            if node.acked != acked:
                acked, moved = node.acked, now
            if not sealed or outbox.index.live:
                idle = None
            elif idle is None:
                idle = now
            elif now - idle >= (_LINGER_MS if clock.quality > clocks.CARRIED else _TIME_MS):
                break
            if now >= sampler.next_s * 1000:
                await sampler.step()
            await asyncio.sleep(_POLL_MS / 1000)
            sampler.beat_ms = now = clock.uptime_ms()
        return acked != first or (sealed and not outbox.index.live)
