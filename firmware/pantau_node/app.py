"""Composition root: builds the node from its files and runs its tasks. main.py calls run()."""

import asyncio
import random
import sys
import time

from micropython import const

from pantau_wire import topics

from . import BUILT_S, EARLIEST_S, VERSION, clock, config, identity, sensors
from .health import Health
from .links.mqtt import MqttLink
from .links.wifi import NoNet, Wifi
from .log import log
from .marks import Monotonic
from .node import Node
from .outbox import FileOutbox
from .sampler import Sampler
from .stations import load_station

_TICK_MS = const(10000)  # how often the watchdog is fed and a link that is down is outlived
_STALL_MS = const(90000)  # a sampler without a sign of life for so long is stuck: its longest step is 20 s
_AGAIN_S = const(5)  # a task that died of a defect is started again after this
_RTC_ERROR_MS = const(2000)
_BUSES = ("uart", "i2c", "pulse")


def place(root, name):
    """Return the path of a file of the node; root is "/" on the chip."""
    return root.rstrip("/") + "/" + name.lstrip("/")


def make_driver(board, item):
    """Return the driver of one entry of config.sensors; raises ValueError, OSError, TypeError, KeyError."""
    module = sensors.load(item["model"])
    options = {name: item[name] for name in item if name != "model" and name not in _BUSES}
    number = item[module.BUS]
    if module.BUS == "uart":
        bus = board.uart(number, module.BAUD, module.RXBUF)
    elif module.BUS == "i2c":
        bus = board.i2c(number)
    else:
        bus = board.pulse(number)
    return sensors.driver(item["model"], bus, **options)


def make_drivers(board, conf, problems):
    """Return the drivers in the order of the configuration, None where one could not be made (a problem names it)."""
    drivers = []
    for index, item in enumerate(conf.sensors):
        driver = None
        try:
            driver = make_driver(board, item)
        except KeyError as error:
            problems.append("sensors[%d] %s: needs %s" % (index, item["model"], error))
        except (OSError, ValueError, TypeError) as error:
            problems.append("sensors[%d] %s: %s" % (index, item["model"], error))
        drivers.append(driver)
    return drivers


def make_station(conf, drivers, problems):
    """Return the station; an unknown domain becomes a flood station, which records what its sensors have."""
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
    return kind(named)


async def wait_for_identity(path):
    """Return the Identity once there is one: without a key nothing that is measured could ever be believed."""
    told = None
    while True:
        try:
            return identity.load(path)
        except identity.IdentityError as error:
            if str(error) != told:
                told = str(error)
                log("error", "identity", told)
        await asyncio.sleep(_TICK_MS / 1000)


class App:
    """The running node: glue between sampler, core and link. Nothing here decides anything."""

    def __init__(self, root, conf, problems, board, who):
        self._board = board
        self.clock = clock.Clock(time.ticks_ms, EARLIEST_S)
        self._set_clock(who)
        drivers = make_drivers(board, conf, problems)
        self.station = make_station(conf, drivers, problems)
        outbox = FileOutbox(place(root, "outbox.log"), conf.outbox_bytes)
        boots = Monotonic(place(root, "boot.cnt"))
        boot = max(boots.value, outbox.last_boot) + 1
        try:
            boots.advance(boot)
        except OSError as error:
            problems.append("boot counter: the flash refused it (%s)" % error)
        for problem in problems:
            log("error", "config", problem)
        net = NoNet()
        if conf.link_kind == "wifi":
            net = Wifi(board.wlan(), conf.link_ssid, conf.link_password, self.clock)
        health = Health(board, drivers, net.rssi, VERSION)
        orders = Monotonic(place(root, "orders.cnt"))
        rand = random.getrandbits
        columns = self.station.PROPERTIES
        self.node = Node(who, conf, self.clock, outbox, boot, columns, orders, health, rand, problems)
        names = {what: topics.topic(conf.city, who.node, what) for what in ("up", "ack", "cmd", "will")}
        conf.broker_ca = place(root, conf.broker_ca)
        self.link = MqttLink(conf, who, names, self.clock, net, self, rand)
        self.sampler = Sampler(self.clock, self.station, conf.sampling_interval_s, conf.sampling_run_s, self._on_record)
        self._sampling = True
        self._wdt = board.wdt(conf.watchdog_s * 1000) if conf.watchdog_s else None
        log("info", "app", "%s boot %d, firmware %s, %d records held" % (who.node, boot, VERSION, outbox.records()))

    def _set_clock(self, who):
        carried = self._board.rtc_get()
        if carried is None or self.clock.set_utc(carried * 1000, _RTC_ERROR_MS, clock.CARRIED) == "refused":
            self._board.rtc_floor(max(BUILT_S, who.made_s))

    # -- events of the sampler and the link

    def _on_record(self, instant_s, row, alarm):
        self.node.on_record(instant_s, row, alarm)
        self._settle()
        self.link.wake()

    def on_up(self, up):
        """The link came or went."""
        self.node.on_link(up)
        self._settle()

    def on_message(self, payload):
        """A frame came down."""
        self.node.on_message(payload)
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
        """No acknowledgement for a day, whatever the link tried."""
        log("error", "app", "no acknowledgement for a day")

    def _settle(self):
        self.node.on_tick()
        action = self.node.take_action()
        while action is not None:
            name, value = action
            if name == "rtc":
                self._board.rtc_set(value)
            else:
                log("warn", "node", value)
            action = self.node.take_action()

    # -- tasks

    async def run(self):
        """Run for ever."""
        guarded = (("sampler", self._sample), ("station", self.station.run), ("link", self.link.run))
        for name, task in guarded:
            asyncio.create_task(self._guard(name, task))
        while True:
            self._settle()
            if self._wdt is not None and self._alive():
                self._wdt.feed()
            await asyncio.sleep(min(_TICK_MS, max(self.node.due_ms(), 1000)) / 1000)

    def _alive(self):
        return not self._sampling or self.clock.uptime_ms() - self.sampler.beat_ms < _STALL_MS

    async def _sample(self):
        await self.sampler.run()
        self._sampling = False
        self.node.flush()
        self.link.wake()
        log("info", "sampler", "sampling ended after %d records; delivering on" % self.node.produced)

    async def _guard(self, name, task):
        """Run a task to its end; a defect in one must not take the others down, and it is started again."""
        while True:
            try:
                await task()
                return
            except Exception as error:  # noqa: BLE001  whatever it was, measuring goes on
                log("error", name, "stopped by %r, starting again" % error)
                sys.print_exception(error, sys.stderr)  # pyright: ignore[reportArgumentType]  a stub too narrow
            await asyncio.sleep(_AGAIN_S)


async def main(root="/", board=None):
    """Build the node from the files below root and run it for ever; board: a Board, else the configured one."""
    conf, problems = config.load(place(root, "config.json"))
    if board is None:
        from .board import Board, find

        data, problem = find(conf.board)
        if problem:
            problems.append(problem)
        board = Board(data)
    who = await wait_for_identity(place(root, "identity.json"))
    if conf.node and conf.node != who.node:
        problems.append("node: %s in the configuration, %s in the identity, which rules" % (conf.node, who.node))
    await App(root, conf, problems, board, who).run()


def run(root="/"):
    """Run the node; whatever escapes is printed and restarts the chip. Ctrl-C leads to the REPL."""
    try:
        asyncio.run(main(root))
    except Exception as error:  # noqa: BLE001  the last resort is a restart
        from .board import restart_after

        restart_after(error)
