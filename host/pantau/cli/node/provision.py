"""`pantau node provision`: a board becomes a node: identity, keys, Wi-Fi, broker, station."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pantau import config as config_file
from pantau.cli.fleet._fleet import now, passphrase
from pantau.cli.fleet._fleet import told as fleet_told
from pantau.cli.node import _provision_ask as asking
from pantau.cli.node._cable import interactive
from pantau.cli.node._field import field_options, note, tell
from pantau.cli.node._provision_ask import Wanted, wanted_options
from pantau.cli.node._trouble import told
from pantau.cli.report import FailedError
from pantau.fleet import files
from pantau.node import siteconfig
from pantau.node.office import Office
from pantau.node.ports import choose, find_ports
from pantau.node.provision import Provisioned, provision
from pantau.node.reach import open_repl
from pantau.node.trouble import RefusedError
from pantau.node.words import say

if TYPE_CHECKING:
    from pantau.fleet.keystore import Secrets
    from pantau.node.board import Board, Facts
    from pantau.node.ports import Port


class Decided(NamedTuple):
    """What a board is to become."""

    node: str
    station: str
    domain: str
    board: str
    replaces: str | None
    config: dict[str, Any]
    wires: list[tuple[str, str, list[tuple[str, str]]]]


@click.command("provision")
@field_options
@wanted_options
@click.option("--yes", is_flag=True, help="Ask nothing: what is not given has its default.")
@click.option("--no-reset", is_flag=True, help="Leave the board at its REPL instead of starting the application.")
@fleet_told
def command(port: str | None, as_json: bool, lang: str, yes: bool, no_reset: bool, **options: Any) -> None:
    """Make the board a node of the fleet. Keys are made here, kept in the fleet's key store and on the node, and never shown.

    The cable may be pulled at any time: the same command finishes the job with the same keys.
    """
    with told(lang):
        at = choose(port, find_ports())
        wanted, present = Wanted(**options), interactive(as_json=as_json) and not yes
        result, text = provisioned(at, wanted, lang, present=present, as_json=as_json, reset=not no_reset)
    tell(result, text, as_json=as_json)


def provisioned(
    at: Port, wanted: Wanted, lang: str, *, present: bool, as_json: bool, reset: bool = True
) -> tuple[dict[str, Any], str]:
    """Provision the board at a port; return the result for programs and for people."""
    fleet = files.load(wanted.folder, lambda: passphrase(wanted.passphrase_file))
    office = Office(fleet, config_file.load(wanted.config).bridge.registry, now())

    def unlocking(node: str) -> None:
        note(say("provision.unlocking", lang, node=node), as_json=as_json)

    with open_repl(at, fleet.store.keys(), unlocking) as board:
        facts = board.facts()
        if not facts.slots:
            raise RefusedError("provision.no_application")
        decided = decide(wanted, office, facts, lang, present=present)
        for line in _shown(decided, facts, lang):
            note(line, as_json=as_json)
        if present and not click.confirm(say("provision.ask_go", lang), default=True, err=True):
            raise FailedError(say("commission.stopped", lang))
        secrets, fresh = office.enrol(
            decided.node, decided.station, facts.unique_id, lambda: fleet.authority(passphrase(wanted.passphrase_file))
        )
        done = _written(board, office, decided, secrets, wanted, lang)
        placed = office.place(decided.node, decided.station, decided.replaces)
        if reset:
            board.reset()
    result = {
        "port": at.device, "serial": at.serial, "node": decided.node, "station": decided.station, "board": decided.board,
        "new_keys": fresh, "registry": placed, **done._asdict(),
    }  # fmt: skip
    return result, _said(at, decided, office, done, placed, lang, fresh=fresh)


def decide(wanted: Wanted, office: Office, facts: Facts, lang: str, *, present: bool) -> Decided:
    """Return what the board is to become, by options, registry, key store and, where somebody is there, answers."""
    stand = office.stand(asking.station_of(wanted, office, lang, present=present))
    station, domain = stand.station.id, stand.station.domain
    node = asking.node_of(wanted, office, station, facts.unique_id, lang, present=present)
    office.check(node, station, facts.unique_id)
    replaces = asking.replaced_by(wanted, station, stand.there, node, lang, present=present)
    board = asking.board_name(wanted, facts, lang, present=present)
    sensors = [siteconfig.sensor(text) for text in asking.sensors_of(wanted, domain)]
    wires = siteconfig.wiring(board, sensors)
    config = siteconfig.config(
        node, office.fleet.table.city, domain, board, asking.link_of(wanted, lang, present=present),
        asking.broker_of(wanted, office.fleet), sensors, wanted.interval,
    )  # fmt: skip
    return Decided(node, station, domain, board, replaces, config, wires)


def _written(
    board: Board, office: Office, decided: Decided, secrets: Secrets, wanted: Wanted, lang: str
) -> Provisioned:
    with click.progressbar(length=1, label=say("provision.copying", lang), file=sys.stderr) as bar:

        def moved(size: int, total: int) -> None:
            bar.length = total
            bar.update(size)

        fleet = office.fleet
        return provision(board, secrets, decided.config, fleet.ca_der, fleet.trust, moved, over=wanted.over)


def _shown(decided: Decided, facts: Facts, lang: str) -> list[str]:
    """Return what will be written, without a secret, and how the sensors are wired."""
    link, broker = decided.config["link"], decided.config["broker"]
    way = f"{link['kind']} {link.get('ssid') or link.get('apn') or ''}".strip()
    return [
        say("provision.board_is", lang, machine=facts.machine, board=decided.board),
        say("provision.node_is", lang, node=decided.node, station=decided.station, domain=decided.domain),
        say("provision.sends", lang, host=broker["host"], port=broker["port"], link=way),
        *(
            say("provision.wire", lang, model=m, bus=b, lines=", ".join(f"{wire} - {pin}" for wire, pin in lines))
            for m, b, lines in decided.wires
        ),
    ]


def _said(at: Port, decided: Decided, office: Office, done: Provisioned, placed: str, lang: str, *, fresh: bool) -> str:
    key = "provision.done" if done.written else "provision.same"
    lines = [say(key, lang, port=at.device, node=decided.node, count=len(done.written))]
    if placed:
        values = {"registry": office.path, "node": decided.node, "station": decided.station, "old": decided.replaces}
        lines.append(say("provision." + placed, lang, **values))
    if fresh:
        lines.append(say("provision.broker", lang, folder=office.fleet.folder / "broker"))
    return "\n".join(lines)
