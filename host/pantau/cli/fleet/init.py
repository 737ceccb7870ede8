"""`pantau fleet init`: the authority, the key store, the release keys and the broker's files of a new fleet."""

from __future__ import annotations

from pathlib import Path

import click

from pantau.cli.fleet._fleet import after, now, passphrase, phrase_option, told
from pantau.cli.node._field import json_option, tell


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--city", required=True, help="The city's short name, as in pantau.toml.")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    required=True,
    help="Name or address of the broker; may repeat, the first is what nodes dial.",
)
@click.option("--broker", default="mosquitto", show_default=True, help="mosquitto, emqx or nats.")
@click.option("--certificates", is_flag=True, help="Clients show certificates; left out: passwords, over TLS as well.")
@click.option(
    "--at",
    "place",
    default="/etc/mosquitto/pantau",
    show_default=True,
    help="The files' folder on the broker's machine.",
)
@phrase_option
@json_option
@told
def command(
    folder: Path,
    city: str,
    hosts: tuple[str, ...],
    broker: str,
    certificates: bool,
    place: str,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a fleet in DIR. Its passphrase seals the private keys of the authority and of releases; the bridge does not need it."""
    from pydantic import ValidationError

    from pantau.cli.report import UsageError
    from pantau.fleet import brokers, files

    if broker not in brokers.names():
        raise UsageError(f"--broker {broker}: there are {', '.join(brokers.names())}")
    try:
        table = files.FleetTable(city=city, broker=broker, hosts=list(hosts), certificates=certificates, folder=place)
    except ValidationError as error:
        raise UsageError("; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors())) from None
    fleet = files.make(folder, table, passphrase(passphrase_file, new=True), now())
    text = (
        f"{after(fleet, sorted(p.name for p in (folder / 'broker').iterdir()))}\n\n"
        f'In pantau.toml:  keys = "{folder / "keys.vault"}"   (it opens with keys.secret beside it, or the credential of that name)\n'
        f'                 [mqtt] ca = "{folder / "ca.pem"}", user = "bridge", password_file = "{folder / "bridge.password"}"\n\n'
        f"Now: copy {folder} to a safe, and move one of release-0.vault and release-1.vault there for good:\n"
        "who has both and the passphrase can put any program on every node."
    )
    tell({"dir": str(folder), "city": city, "broker": broker, "trust": fleet.trust}, text, as_json=as_json)
