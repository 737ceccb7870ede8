"""The node's core: events in, frames and actions out. No socket, no task, no hardware; storage is the outbox it is given.

Events: on_record, on_message, on_link, on_tick. The link asks next_send() whenever it may write; the application asks
take_action(). A frame leaves the outbox only by an authenticated acknowledgement of the bridge: that the broker took it
says nothing.
"""

from micropython import const

from pantau_wire import _tables as T
from pantau_wire import frame
from pantau_wire.errors import WireError

from . import ALARM, LIVE
from . import clock as clocks
from .journal import Batch
from .sender import Sender
from .trial import TRIAL

_NEWS_MS = const(60000)  # a change of state is worth a health frame at most this often
_LOOK_MS = const(20000)  # and looked for that often
_ASK_MS = const(30000)  # how often a node without the time asks again, doubling up to the health interval
_FLAP_MS = const(1000)  # a link that comes and goes does not fill the outbox with questions
_TRIP_SYNCED_MS = const(2000)  # half of the round trip is the error: up to 1 s counts as synchronised
_TRIP_MS = const(20000)  # beyond this the answer says nothing useful
_APART = const(32)  # frames sealed while a batch is open; more would outrun the acknowledgement's map of 64
_DETAIL = const(160)  # characters of a result or of the list of configuration errors
_RESTART_MS = const(10000)  # an ordered restart waits so long for the acknowledgement of its result


class Node:
    """The state of one boot.

    identity: Identity; config: Config; clock: Clock; outbox: see outbox.py; boot: this boot's number; columns: the
    station's property ids; replay: a Monotonic that holds the counter of the last order; facts: Health; rand:
    rand(bits) -> int; problems: what was wrong with the configuration; trial: Trial; kept: the Maintenance that
    it was left in or None. A battery's node is in batterynode.py.
    """

    def __init__(
        self, identity, config, clock, outbox, boot, columns, replay, facts, rand, problems=(), trial=None, kept=None
    ):
        self.identity = identity
        self.config = config
        self.clock = clock
        self.outbox = outbox
        self._replay = replay
        self.facts = facts
        self._rand = rand
        self.problems = "; ".join(problems)[:_DETAIL]
        self.trial = trial
        self.maintenance = kept  # Maintenance while somebody works on the station
        self.siren = None  # Siren, where one is wired
        self.watch = None  # Watch of a station that has an alarm
        self.hurry = False  # something urgent was recorded since a node that sleeps last reported
        self._columns = list(columns) + [T.TIME_OFFSET]
        self.boot = boot
        self._seq = 0
        self._up = False
        self._restart_at = None
        self.result_seq = 0
        self._sender = Sender(boot, outbox, identity, rand)
        self._next_s = 0
        self._epoch = clock.epoch
        self._nonce = 0
        self._nonce_seq = 0
        self._nonce_sent = None
        self._ask_ms = _ASK_MS
        self._health_at = 0
        self._health_due = 0
        self._news = None
        self._news_at = 0  # when to look for the next
        self._actions = []
        self.forged = 0
        self.odd_acks = 0
        self.reconnects = 0
        self.produced = 0
        self.faults = 0  # frames that could not be encoded: a defect, and counted as one
        self.wakes = 0
        self.acked = 0
        self.last_ack_ms = None
        self.awake_ms = 0  # uptime until which an update keeps the chip awake
        self._waits_since = None  # uptime from which on frames have waited for the first sign of the bridge
        self._begin()

    def _begin(self):
        self.seal_open()  # what the interrupted boot had open goes first, under its own name
        self._regular(0)

    # -- events

    def on_record(self, instant_s, row, alarm=False, interval_s=0, urgent=None):
        """Take the record of the sampling instant (seconds of uptime): {property id: (value or None, quality code)}.

        alarm: the station says that this is one; interval_s: until the next instant, where it is not the configured one;
        urgent: send it at once; an alarm is, where nothing else is said. Return whether there is a new frame to send.
        """
        if self.maintenance is not None:
            row, alarm, urgent = self.maintenance.mark(row), False, False
            self.maintained()
        self.hurry = self.hurry or bool(urgent)
        batch = self.outbox.batch
        made = 0
        if batch is not None and (self.clock.epoch != self._epoch or instant_s != self._next_s):
            made = self.seal_open()  # a batch has one time base and no holes
        if self.outbox.batch is None:
            self._open_batch(instant_s, interval_s or self.config.sampling_interval_s)
        self.outbox.record(row)
        self.produced += 1
        batch = self.outbox.batch
        self._next_s = instant_s + batch.interval_s
        if (
            (alarm if urgent is None else urgent)
            or batch.count >= self.config.sampling_batch
            or self._seq - batch.seq >= _APART
        ):
            made += self.seal_open(alarm)
        return made > 0

    def on_message(self, payload):
        """Take one down-going frame as the broker delivered it; anything not signed for this node is counted and ignored."""
        f = self._authentic(payload)
        if f is None:
            self.forged += 1
        elif f.kind == T.K_ACK:
            self._on_ack(f.fields)
        elif f.kind == T.K_TIME:
            self._on_time(f.fields)
        elif f.kind == T.K_UPDATE:
            self.act("update", f.fields)  # a chunk goes by its offset: a replayed one changes nothing
        else:
            self._on_order(f)

    def on_link(self, up):
        """The link is up (subscribed, ready to publish) or gone. What was on its way is sent again."""
        self._up = up
        now = self.clock.uptime_ms()
        self._sender.on_link(up, now)
        if self._nonce_sent is not None:
            self._nonce = 0  # a late answer could no longer be timed
        if not up:
            return
        self.reconnects += 1
        if self.clock.quality < clocks.COARSE:
            # Ask for the time at once: the health frame of the boot waits in the backlog.
            self._health_due = min(self._health_due, max(now, self._health_at + _FLAP_MS))

    def on_tick(self):
        """Do what is due by now; call it at least when due_ms() says so."""
        now = self.clock.uptime_ms()
        if self.maintenance is not None:
            self.maintained()
        # Without a link nobody would read the news, and each frame takes a place that records may need.
        if self._up and self._news_at <= now < self._health_due and now - self._health_at >= _NEWS_MS:
            self._news_at = now + _LOOK_MS
            if self._now_news() != self._news:
                self._health_due = now
        if now >= self._health_due:
            self._regular(now)
        if self.trial is not None and self.trial.due(now):
            self.act("restart", "no acknowledgement with the configuration on trial: back to the one before")
        if self._restart_at is not None and (
            now >= self._restart_at or self.outbox.index.place(self.boot, self.result_seq) is None
        ):
            self._restart_at = None
            self.act("restart", "ordered")

    def _regular(self, now):
        """Report, but never at the cost of records: mains that flicker begin a boot every few seconds."""
        if self._up or not self.outbox.crowded():
            self.report()
        else:
            self._health_due = now + _NEWS_MS

    def due_ms(self):
        """Return how many milliseconds from now something is due."""
        now = self.clock.uptime_ms()
        due = self._sender.due() if self._up else None
        due = self._health_due if due is None else min(due, self._health_due)
        return max(0, due - now)

    def take_action(self):
        """Return the next thing the application has to do, or None: ("clock", None) | ("log", text) | ("maintenance", s) | ("rare", None) | ("restart", why) | ("update", fields)."""
        return self._actions.pop(0) if self._actions else None

    def flush(self):
        """Seal what is open and report: sampling ends here."""
        self.seal_open()
        self.report()

    def ack_age_ms(self):
        """Return for how long something has been waiting without a sign of the bridge, ms; None when nothing waits."""
        if self._waits_since is None or not self.outbox.index.live:
            return None
        return self.clock.uptime_ms() - self._waits_since

    def restless(self):
        """Return whether the chip must stay awake: a restart is ordered, or something has to prove itself."""
        tried = self.trial is not None and self.trial.state == TRIAL
        return tried or self._restart_at is not None or self.clock.uptime_ms() < self.awake_ms

    # -- sending

    def next_send(self):
        """Return the bytes of the frame to publish now, or None."""
        if not self._up:
            return None
        now = self.clock.uptime_ms()
        found = self._sender.next(now)
        if found is None:
            return None
        boot, seq, data = found
        if boot == self.boot and seq == self._nonce_seq and self._nonce_sent is None:
            self._nonce_sent = now
        return data

    # -- what comes down

    def _authentic(self, payload):
        """Return the decoded Frame if its tag fits one of our keys, else None."""
        try:
            head = frame.header(payload)
            key = self.identity.keys.get(head.key_id)
            if head.kind in T.UP or key is None or not frame.verify(payload, self.identity.node, key):
                return None
            return frame.decode(payload)
        except WireError:
            return None

    def _on_ack(self, fields):
        boot = fields.get("boot", 0)
        through = fields.get("through", 0)
        if boot > self.boot or (boot == self.boot and through > self._seq):
            self.odd_acks += 1  # signed, yet for what was never made: this boot's number was used before
            self.act("log", "acknowledged what was never sent: boot %d seq %d" % (boot, through))
            return
        now = self.clock.uptime_ms()
        self.acked += self._sender.on_ack(boot, through, fields.get("map", 0), now)
        self.last_ack_ms = now
        self._waits_since = now if self.outbox.index.live else None
        if boot == self.boot and self.trial is not None:
            self.trial.on_ack(now)

    def _on_time(self, fields):
        nonce = fields.get("nonce", 0)
        if not nonce or nonce != self._nonce or self._nonce_sent is None:
            return  # an answer to an earlier question
        trip = self.clock.uptime_ms() - self._nonce_sent
        self._nonce = 0
        if trip > _TRIP_MS:
            self._health_due = min(self._health_due, self.clock.uptime_ms() + _ASK_MS)
            return
        quality = clocks.SYNCED if trip <= _TRIP_SYNCED_MS else clocks.COARSE
        did = self.clock.set_utc(fields.get("utc_ms", 0) + trip // 2, trip // 2, quality, clocks.BRIDGE)
        if did == "refused":
            self.act("log", "time from the bridge is not plausible")
            return
        self._health_due = max(self._health_due, self._health_at + self.config.sampling_health_s * 1000)
        self.on_clock(did)

    def on_clock(self, did):
        """The clock was set by some source; did: what set_utc() said."""
        if did == "refused":
            return
        self.act("clock", None)
        if did == "stepped":
            self.act("log", "clock set by source %d, by %d ms" % (self.clock.source, self.clock.last_change_ms))
            self.seal_open()  # a batch has one time base
            self._epoch = self.clock.epoch
            self.report()  # carries the mapping that dates what was recorded before

    def _on_order(self, f):
        if f.counter <= self._replay.value:
            self.forged += 1  # replayed
            return
        try:
            self._replay.advance(f.counter)  # before it is carried out: at most once
            from . import orders  # rare, and half a kilobyte of names: not before it is needed

            ok, detail = orders.carry_out(self, f)
        except OSError:
            ok, detail = 0, "the flash refused the counter; send it again"
        except MemoryError:
            ok, detail = 0, "no memory for it; send it again"
        self.act("rare", None)
        self.answer({"id": f.fields.get("id", 0), "ok": ok, "detail": detail[:_DETAIL]})

    # -- what orders.py and update.py may ask for

    def answer(self, fields):
        """Seal a RESULT, which a restart that was asked for waits for."""
        self.result_seq = self.seal_fields(T.K_RESULT, fields)

    def maintain(self, seconds):
        """Begin a maintenance of so many seconds in place of the one before; 0: end it. The application keeps it."""
        self.act("maintenance", seconds)

    def maintained(self):
        """End the maintenance when it is over. What was seen meanwhile was the technician's hand: the alarm begins anew."""
        if self.maintenance is None or self.maintenance.over():
            self.maintenance = None
            if self.watch is not None:
                self.watch.reset()

    def restart_soon(self):
        """Restart the chip once the result of the order is acknowledged, or after 10 s."""
        self._restart_at = self.clock.uptime_ms() + _RESTART_MS

    def act(self, name, value):
        if len(self._actions) < 8:  # the application takes them at once; a flood is not worth memory
            self._actions.append((name, value))

    # -- making frames

    def _take_seq(self):
        self._seq += 1
        return self._seq

    def _open_batch(self, instant_s, interval_s):
        self._epoch = self.clock.epoch
        quality, base_s = self.clock.base(instant_s * 1000)
        batch = Batch(self.boot, self._take_seq(), quality, base_s, interval_s, self.config.profile, self._columns)
        self.outbox.open_batch(batch)

    def seal_open(self, alarm=False):
        """Make frames of the open batch: one, or more where one would be too long. Return how many records it had."""
        held = self.outbox.batch.count if self.outbox.batch is not None else 0
        while self.outbox.batch is not None:
            batch = self.outbox.batch
            if not batch.seq:
                batch.seq = self._take_seq() if batch.boot == self.boot else self.outbox.last_seq + 1
            count = batch.count
            wire = None
            while count and wire is None:
                try:
                    f = batch.frame(batch.seq, count, alarm, self.identity.key_id)
                    wire = frame.encode(f, self.identity.node, self._key())
                except WireError as error:
                    count = count // 2 if error.code == "too_long" else 0
            if wire is None:
                self.faults += 1
                self.act("log", "a batch of %d records cannot be encoded" % batch.count)
                self.outbox.drop_batch()
                break
            flags = (ALARM if alarm else 0) | (LIVE if self._up and batch.boot == self.boot else 0)
            self._seal(batch.boot, batch.seq, wire, count, flags, count)
            self.facts.note()  # memory was tightest just now
        return held

    def _key(self):
        return self.identity.keys[self.identity.key_id]

    def seal_fields(self, kind, fields):
        f = frame.Frame(kind, self.identity.key_id)
        f.boot, f.seq, f.profile = self.boot, self._take_seq(), self.config.profile
        f.clock, f.base_s = self.clock.base(self.clock.uptime_ms())
        f.fields = fields
        wire = frame.encode(f, self.identity.node, self._key())
        self._seal(self.boot, f.seq, wire, 0, LIVE if self._up else 0, 0)
        return f.seq

    def _seal(self, *frame_and_place):
        self.outbox.seal(*frame_and_place)
        if self._waits_since is None:
            self._waits_since = self.clock.uptime_ms()

    def _now_news(self):
        # A stranger can forge as often as he likes: that it happens is news once, how often waits for the regular frame.
        state = self.trial.state if self.trial is not None else 0
        siren = self.siren is not None and self.siren.state()
        odd = self.forged > 0, state, self.maintenance is not None, siren
        return self.facts.errors(), self.outbox.overwritten_frames, self.outbox.errors, odd

    def report(self):
        """Seal a health frame now."""
        from . import report  # every quarter of an hour: not resident

        now = self.clock.uptime_ms()
        fields = self.facts.fields()
        oldest = self.outbox.oldest() or (self.boot, self._seq + 1)
        report.add(fields, self, self.outbox, oldest, self.problems)
        self._nonce = fields["time_nonce"] = 1 + self._rand(31)
        self._nonce_sent = None
        self._news = self._now_news()
        self._health_at = now
        self._nonce_seq = self.seal_fields(T.K_HEALTH, fields)
        self.act("rare", None)
        self._schedule(now)

    def _schedule(self, now):
        """Set when the next health frame is due: soon while the clock is unset, each time later."""
        regular = self.config.sampling_health_s * 1000
        if self.clock.quality >= clocks.COARSE or not self._up:
            self._ask_ms = _ASK_MS
            self._health_due = now + regular
        else:
            self._health_due = now + min(self._ask_ms, regular)
            self._ask_ms = min(self._ask_ms * 2, regular)
