"""What a technician is asked before a board becomes a node: station, id, board, Wi-Fi; and the options that answer it without asking."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pantau.cli.fleet._fleet import folder_option, phrase_option
from pantau.cli.report import UsageError
from pantau.node.siteconfig import LINKS, MQTTS, SENSORS, Broker, Link, board_of, boards
from pantau.node.words import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.fleet.files import Fleet
    from pantau.node.board import Facts
    from pantau.node.office import Office

    F = Callable[..., Any]

PASSWORD_ENV = "PANTAU_WIFI_PASSWORD"  # noqa: S105  the name of a variable
_WPA = range(8, 64)  # characters of a passphrase, IEEE 802.11
_NAMED = 6


class Wanted(NamedTuple):
    """The options of `pantau node provision`."""

    folder: Path = Path("fleet")
    config: Path = Path("pantau.toml")
    passphrase_file: Path | None = None
    station: str | None = None
    node: str | None = None
    replace: str | None = None
    beside: bool = False
    board: str | None = None
    link: str = LINKS[0]
    wifi: str | None = None
    wifi_password_file: Path | None = None
    apn: str | None = None
    broker_host: str | None = None
    broker_port: int = MQTTS
    broker_name: str = ""
    sensors: tuple[str, ...] = ()
    interval: int | None = None
    over: bool = False


def wanted_options(command: F) -> F:
    """Add the options of Wanted, each under its name."""
    file = click.Path(dir_okay=False, exists=True, path_type=Path)
    for option in reversed(
        (
            folder_option,
            click.option(
                "-c",
                "--config",
                type=click.Path(dir_okay=False, path_type=Path),
                default=Path("pantau.toml"),
                show_default=True,
                help="The bridge's configuration, which names the registry.",
            ),
            phrase_option,
            click.option("--station", metavar="STATION", help="Where it will stand; in the registry."),
            click.option("--node", metavar="NODE", help="Its id [of the station, with a number]."),
            click.option("--replace", metavar="OLD", help="The node that leaves the station for it."),
            click.option("--beside", is_flag=True, help="It stands beside the node that is there."),
            click.option("--board", metavar="BOARD", help="Its pins, as in docs/wiring.md [by what the chip says]."),
            click.option("--link", type=click.Choice(LINKS), default=LINKS[0], show_default=True, help="Its way out."),
            click.option("--wifi", metavar="SSID", help=f"The Wi-Fi's name; its password: {PASSWORD_ENV}, or asked."),
            click.option("--wifi-password-file", type=file, metavar="FILE", help="A file of mode 0600 with it."),
            click.option("--apn", metavar="NAME", help="Of the SIM card, for --link ppp."),
            click.option("--broker-host", metavar="HOST", help="Name or address of the broker [the fleet's first]."),
            click.option("--broker-port", type=click.IntRange(1, 65535), default=MQTTS, show_default=True),
            click.option("--broker-name", default="", metavar="NAME", help="In the broker's certificate [the host]."),
            click.option("--sensor", "sensors", multiple=True, metavar="M:BUS=N", help="As a02yyuw:uart=1; may repeat [the domain's]."),
            click.option("--interval", type=click.IntRange(1, 86400), metavar="S", help="Seconds between records [60]."),
            click.option("--over", is_flag=True, help="Though the board is another node: what it still holds is lost."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def station_of(wanted: Wanted, office: Office, lang: str, *, present: bool) -> str:
    """Return the station, asked for where it is not given."""
    if wanted.station:
        return wanted.station
    known = office.stations()
    if not present:
        raise UsageError(say("provision.missing", lang, option="--station"))
    more = ", ..." if len(known) > _NAMED else ""
    label = say("provision.ask_station", lang, known=", ".join(known[:_NAMED]) + more)
    return str(click.prompt(label, default=known[0] if known else None, err=True)).strip()


def node_of(wanted: Wanted, office: Office, station: str, board_id: str, lang: str, *, present: bool) -> str:
    """Return the id: as given, else as proposed and, where somebody is there, confirmed."""
    if wanted.node:
        return wanted.node
    proposed = office.propose(station, board_id)
    if not present:
        return proposed
    return str(click.prompt(say("provision.ask_node", lang), default=proposed, err=True)).strip()


def replaced_by(wanted: Wanted, station: str, there: list[str], node: str, lang: str, *, present: bool) -> str | None:
    """Return which node leaves, None for nobody. UsageError where somebody stands there and nothing is said of it."""
    if node in there or not there or wanted.beside:
        return None
    if wanted.replace:
        return wanted.replace
    named = ", ".join(there)
    if (
        present
        and len(there) == 1
        and click.confirm(say("provision.ask_replace", lang, there=named, station=station), err=True)
    ):
        return there[0]
    if present and len(there) == 1:
        return None
    raise UsageError(say("provision.occupied", lang, station=station, there=named))


def board_name(wanted: Wanted, facts: Facts, lang: str, *, present: bool) -> str:
    """Return the board: as given, else by what the chip says of itself and, where somebody is there, confirmed."""
    if wanted.board or not present:
        return wanted.board or board_of(facts)
    label = say("provision.ask_board", lang, known=", ".join(boards()))
    return str(click.prompt(label, default=board_of(facts), err=True)).strip()


def link_of(wanted: Wanted, lang: str, *, present: bool) -> Link:
    """Return the way out; the Wi-Fi's password from a file, the environment, or asked for without showing it."""
    if wanted.link == "ppp":
        return Link("ppp", apn=_asked("apn", wanted.apn, "--apn", lang, present=present))
    if wanted.link != "wifi":
        return Link(wanted.link)
    ssid = _asked("wifi", wanted.wifi, "--wifi", lang, present=present)
    return Link("wifi", ssid, _password(wanted.wifi_password_file, lang, present=present))


def _asked(what: str, given: str | None, option: str, lang: str, *, present: bool) -> str:
    if given is not None:
        return given
    if not present:
        raise UsageError(say("provision.missing", lang, option=option))
    return str(click.prompt(say("provision.ask_" + what, lang), err=True)).strip()


def _password(file: Path | None, lang: str, *, present: bool) -> str:
    if file is not None:
        if file.stat().st_mode & 0o077:
            raise UsageError(say("provision.private", lang, file=file))
        text = file.read_text(encoding="utf-8").strip("\r\n")
    elif PASSWORD_ENV in os.environ:
        text = os.environ[PASSWORD_ENV]
    elif present:
        label = say("provision.ask_password", lang)
        text = click.prompt(label, default="", show_default=False, hide_input=True, err=True)
    else:
        raise UsageError(say("provision.missing", lang, option=f"--wifi-password-file, {PASSWORD_ENV}"))
    if text and len(text) not in _WPA:
        raise UsageError(say("provision.wifi_short", lang))
    return str(text)


def broker_of(wanted: Wanted, fleet: Fleet) -> Broker:
    """Return where it sends."""
    auth = "certificate" if fleet.table.certificates else "password"
    return Broker(wanted.broker_host or fleet.table.hosts[0], wanted.broker_port, auth, wanted.broker_name)


def sensors_of(wanted: Wanted, domain: str) -> tuple[str, ...]:
    """Return the sensors: as given, else the domain's."""
    return wanted.sensors or SENSORS[domain]
