"""Makes the parts of the node from what its flash keeps: identity, configuration, outbox, clock, sensors. Needed once a boot.

finish.py puts them together, when this file has left the memory: a start is when there is least of it.

A part that cannot be made is a problem that the node reports; what is measured must go on.
"""

import asyncio
import gc
import os
import time

from micropython import const

from . import EARLIEST_S
from .app import build_config
from .rare import drop
from .sensors import catalog
from .storage import Storage

_WAIT_S = const(10)  # between two looks for an identity
_BUSES = ("uart", "i2c", "pulse", "pulses", "contact")
# Each is let go after its part of the start, before the next is loaded; an order loads again what it needs.
_FIRST = ("provision", "identity", "config", "change")
_SECOND = (
    "storage",
    "slots",
    "boards",
    "wiring",
    "sensors.catalog",
    "stations.make",
    "timestart",
    "timekeeper",
    "clockset",
    "counters",
    "marks",
    "ringstart",
    "outboxstart",
    "journalstart",
)


def make_driver(board, item):
    """Return the driver of one entry of config.sensors; raises ValueError, OSError, TypeError, KeyError."""
    module = catalog.load(item["model"])
    options = {name: item[name] for name in item if name != "model" and name not in _BUSES}
    for name, value in options.items():
        if type(value) is float:  # a node counts in integers: one would end each record
            raise ValueError("%s: %s must be a whole number" % (name, value))
    number = item[module.BUS]
    if module.BUS == "uart":
        bus = board.uart(number, module.BAUD, module.RXBUF, item["model"] in getattr(module, "INVERTED", ()))
    elif module.BUS == "i2c":
        bus = board.i2c(number)
    elif module.BUS == "pulses":
        bus = [board.edges(one) for one in number]
    elif module.BUS == "contact":
        bus = board.contact(number)
    else:
        bus = board.pulse(number)
    return catalog.driver(item["model"], bus, **options)


def claim(taken, item):
    """Note in `taken` which wires an entry of config.sensors uses, return them; raises ValueError where another has them."""
    bus = catalog.load(item["model"]).BUS
    places = []
    for wire in item[bus] if bus == "pulses" else [item[bus]]:
        place = "%s %s" % ("i2c" if bus == "i2c" else "uart" if bus == "uart" else "input", wire)
        if bus == "i2c":
            place += " address 0x%02x" % item.get("address", catalog.load(item["model"]).ADDRESS)
        if place in places:
            raise ValueError("%s is named twice" % place)
        if place in taken:
            raise ValueError("%s is taken by %s: give one of them another" % (place, taken[place]))
        places.append(place)
    taken.update(dict.fromkeys(places, item["model"]))
    return places


def make_drivers(board, conf, problems):
    """Return the drivers in the order of the configuration, None where one could not be made (a problem names it)."""
    drivers = []
    taken = {}
    if conf.link_kind == "ppp" and "modem" in board.pins:
        taken["uart %s" % board.pins["modem"]["uart"]] = "the modem"
    if conf.link_kind == "serial":
        taken["uart %s" % (conf.link_address.partition(":")[0] or "1")] = "the link"
    for index, item in enumerate(conf.sensors):
        driver = None
        places = ()
        try:
            if conf.power_profile == "battery" and item["model"] == "float_switch":
                item["debounce_s"] = 0  # it looks once a wake
            places = claim(taken, item)
            driver = make_driver(board, item)
        except KeyError as error:
            problems.append("sensors[%d] %s: needs %s" % (index, item["model"], error))
        except (OSError, ValueError, TypeError) as error:
            problems.append("sensors[%d] %s: %s" % (index, item["model"], error))
        if driver is None:
            for place in places:
                del taken[place]
        drivers.append(driver)
    return drivers


def make_station(conf, drivers, problems):
    """Return the station; an unknown domain becomes a flood station, which records what its sensors have."""
    from .stations.make import load_station

    try:
        kind = load_station(conf.station)
    except ValueError as error:
        problems.append("station: %s" % error)
        kind = load_station("flood")
    named = {}
    for item, driver in zip(conf.sensors, drivers):
        if item["model"] in named:
            problems.append("sensors: %s twice" % item["model"])
        elif driver is not None:
            named[item["model"]] = driver
    return kind(named, conf.alarm)


class Quiet:
    """The station of the safe profile: no sensor is touched, each record says that its readings are missing.

    Its property is one of the wire's own, so that nothing of the stations need be loaded: one of them may be the defect.
    """

    PROPERTIES = ()
    watch = None

    async def sample(self, _deadline_ms):
        """Return nothing: the sampler marks it missing."""
        return {}

    async def run(self):
        """Return at once."""


async def wait_for_identity(slots, path, problems):
    """Return the Identity once there is one: without a key nothing that is measured could ever be believed."""
    from . import identity, provision

    told = None
    while True:
        problem = provision.identity(slots, path)
        try:
            who = identity.load(slots)
        except identity.IdentityError as error:
            text = problem or str(error)
            if text != told:
                told = text
                log_problem(text)
            await asyncio.sleep(_WAIT_S)
            continue
        if problem:
            problems.append(problem)
        return who


def log_problem(text):
    """Print one line about what was found at the start."""
    from . import log

    log("error", "start", text)


def open_outbox(storage, conf, safe, problems):
    """Return the outbox. One that cannot be read is never replaced, but in the safe profile put aside: `outbox.bad`."""
    try:
        return storage.outbox(conf.outbox_bytes)
    except OSError as error:
        if not safe:
            raise
        problems.append("outbox: %s: put aside as outbox.bad" % error)
        os.rename(storage.path("outbox.log"), storage.path("outbox.bad"))
        return storage.outbox(conf.outbox_bytes)


class Builder:
    """The steps of a start, in order; each leaves what it made."""

    def __init__(self, board, root, starts):
        self.board = board
        self.starts = starts
        self.safe = starts.safe
        self.storage = Storage(board, root)
        self.problems = self.storage.problems
        if self.safe:
            self.problems.append("safe profile after %d failed starts: no sensors" % starts.failures)

    async def who(self):
        """Identity and configuration."""
        from . import config, provision
        from .trial import Trial

        storage, problems = self.storage, self.problems
        path = storage.path
        before = storage.config.read()[:1]
        problem = provision.config(storage.config, storage.committed, path("config.json"), config.build)
        # What a technician has just brought did not crash: it was not there.
        crashed = self.starts.crashed and storage.config.read()[:1] == before
        if problem:
            problems.append(problem)
        self.identity = who = await wait_for_identity(storage.identity, path("identity.json"), problems)
        self.board.keyboard(False)  # from here on a stray Ctrl-C does not stop a station
        self.trial = Trial(storage.later, storage.committed, build_config)
        body = self.trial.load(who.rescue, crashed)[0]
        if self.trial.problem:
            problems.append(self.trial.problem)
        if self.starts.last:
            problems.append("config: set aside after %d failed starts, the safe profile's too" % self.starts.failures)
            body = who.rescue or {}
        self.conf, found = config.build(body)
        problems.extend(found)
        if self.conf.node and self.conf.node != who.node:
            problems.append(
                "node: %s in the configuration, %s in the identity, which rules" % (self.conf.node, who.node)
            )
        self.conf.broker_ca = path(self.conf.broker_ca)
        problem = self.board.choose(self.conf.board)
        if problem:
            problems.append(problem)
        seconds = self.conf.watchdog_s
        self.wdt = self.board.wdt(seconds * 1000) if seconds else None  # what follows touches hardware

    def senses(self):
        """Drivers and station."""
        self.drivers = []
        self.output = None
        if self.safe:
            self.station = Quiet()
            return
        self.drivers = make_drivers(self.board, self.conf, self.problems)
        self.station = make_station(self.conf, self.drivers, self.problems)
        siren, active_low = self.conf.alarm[-2:]
        if siren and self.station.watch is None:
            self.problems.append("alarm.siren: only a flood station has an alarm")
        elif siren:
            loud = 0 if active_low else 1
            try:
                self.output = self.board.output("siren", 1 - loud), loud
            except OSError as error:
                self.problems.append("alarm.siren: %s" % error)

    def memory(self):
        """Outbox, boot, clock; a wake from deep sleep goes on in its boot."""
        from . import clock
        from .timekeeper import Timekeeper

        storage, conf = self.storage, self.conf
        self.outbox = outbox = open_outbox(storage, conf, self.safe, self.problems)
        self.nap = self._nap()
        boots, keep = storage.boots, self.starts.keep
        woke = self.nap is not None and self.nap.wake(boots.value, outbox.last_boot, outbox.last_seq)
        self.boot = boots.value if woke else max(boots.value, outbox.last_boot) + 1
        if not woke:
            try:
                boots.advance(self.boot)
            except OSError as error:
                self.problems.append("boot counter: the flash refused it (%s)" % error)
        self.clock = clock.Clock(time.ticks_ms, EARLIEST_S, self.nap.uptime_ms if woke else None)
        if woke:
            self.nap.set_clock(self.clock)
        else:
            Timekeeper(self.clock, self.board, keep, storage.floor).restore(self.identity.made_s)

    def _nap(self):
        conf = self.conf
        if conf.power_profile != "battery" or self.safe:
            return None
        from . import sleep

        modules = [catalog.load(item["model"]) for item, driver in zip(conf.sensors, self.drivers) if driver]
        refusal = sleep.refusal(modules)
        if refusal:
            self.problems.append(refusal)
            return None
        nap = sleep.Sleep(conf, self.board, self.starts.keep, modules)
        nap.on_sleep = self.starts.planned
        conf.broker_keepalive_s = nap.keepalive_s
        return nap


_PARTS = ("board", "starts", "safe", "storage", "problems", "identity", "trial", "conf", "wdt", "drivers", "station")
_PARTS += ("output", "outbox", "nap", "boot", "clock")


async def build(root, board, starts):
    """Return the parts of the node whose files are below root, for finish.assemble(); what made them can be let go then."""
    builder = Builder(board, root, starts)
    await builder.who()
    await asyncio.sleep(0)
    drop(*_FIRST)
    for step in (builder.senses, builder.memory):
        await asyncio.sleep(0)
        step()
        gc.collect()
    await asyncio.sleep(0)
    drop(*_SECOND)
    return {name: getattr(builder, name) for name in _PARTS}
