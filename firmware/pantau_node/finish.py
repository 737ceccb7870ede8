"""Puts the parts of a node together. Needed once a boot, after start.py has made them and gone."""

import random

from pantau_wire import topics

from . import VERSION, links, log
from .app import App


def assemble(parts):
    """Return the App of the parts that start.build() gives."""
    from .health import Health
    from .sampler import Sampler

    conf, board, nap, clock = parts["conf"], parts["board"], parts["nap"], parts["clock"]
    station, storage, starts = parts["station"], parts["storage"], parts["starts"]
    net = _net(parts)
    kept = storage.path("maintenance")
    maintenance = _maintenance(parts, kept, storage.path("setup"))
    facts = Health(board, parts["drivers"], net, VERSION, starts)
    facts.safe = int(parts["safe"])
    facts.defect = starts.last_defect()
    for problem in parts["problems"]:
        log("error", "start", problem)
    node = _node(parts, facts, maintenance)
    node.watch = station.watch
    node.siren = _siren(parts, node)  # pyright: ignore[reportAttributeAccessIssue]
    app = App(board, node, facts, storage.floor, starts, parts["wdt"])
    who = parts["identity"]
    link = _link(conf, who, clock, net, app)
    facts.causes = link.causes
    start_s = nap.next_s if nap is not None else 0
    sampler = Sampler(clock, station, conf.sampling_interval_s, conf.sampling_run_s, app.on_record, start_s)
    sntp = None
    if conf.time_sntp:
        from .links.sntp import SntpTask

        sntp = SntpTask(conf.time_sntp, clock, net, app.on_clock, random.getrandbits)
    app.wire(link, station, sampler, nap, sntp, kept)
    _update(app, storage.path("update"))
    return app


def _update(app, path):
    """Go on with an update, where there is one."""
    from .files import missing

    if not missing(path):
        from .updatestart import look

        look(app)


def _node(parts, facts, maintenance):
    given = (parts["identity"], parts["conf"], parts["clock"], parts["outbox"], parts["boot"])
    given += (parts["station"].PROPERTIES, parts["storage"].orders, facts, random.getrandbits)
    given += (parts["problems"], parts["trial"], maintenance)
    if parts["nap"] is None:
        from .node import Node

        return Node(*given)
    from .batterynode import BatteryNode

    return BatteryNode(parts["nap"].resume, parts["station"].watch, *given)


def _maintenance(parts, path, setup):
    """Return the Maintenance that the node was left in, or None; one that is not commissioned is in set-up mode."""
    from .files import missing

    if not missing(setup):
        from .setup import Setup

        return Setup(parts["clock"], setup, 0, 0)
    if missing(path):
        return None
    from .maintenance import found

    kept, problem = found(parts["clock"], path, parts["boot"])
    if problem:
        parts["problems"].append(problem)
    return kept


def _siren(parts, node):
    """Return the Siren or None; what stood in its way is a problem by now."""
    if parts["output"] is None:
        return None
    from .siren import Siren

    pin, loud = parts["output"]
    return Siren(pin, loud, parts["station"].watch, node, parts["clock"])


def _link(conf, who, clock, net, app):
    """Return the link: a way out with sessions of its own needs no broker, and so none of its code."""
    if hasattr(net, "session"):
        return net.session(who, app)
    from .links.mqtt import MqttLink

    names = {what: topics.topic(conf.city, who.node, what) for what in ("up", "ack", "cmd", "will")}
    return MqttLink(conf, who, names, clock, net, app, random.getrandbits)


def _net(parts):
    try:
        return links.load(parts["conf"].link_kind).make(parts["board"], parts["conf"], parts["clock"])
    except (OSError, ValueError) as error:
        parts["problems"].append("link: %s" % error)  # no way out: everything stays in the outbox
        return links.load("none").NoNet(error)
