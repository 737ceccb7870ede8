"""pantau.toml: what one bridge is told. Read once, checked whole, never changed while it is in use."""

from __future__ import annotations

import copy
import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from pantau.cluster.settings import ClusterTable
from pantau.fleet.settings import FleetTable
from pantau.notify.cap_settings import CapTable
from pantau.notify.tables import NotifyTable
from pantau.ops.retention import RetentionTable
from pantau.problems import ConfigError, Problem, Table, explain
from pantau.settings import MAX_PORT, FilePath, Port
from pantau.sinks.files import FilesTable
from pantau.sinks.line import LineTable
from pantau.sinks.mqtt import MqttJsonTable
from pantau.sinks.nats import NatsTable
from pantau.sinks.ngsi_ld import NgsiLdTable
from pantau.sinks.postgres import PostgresTable
from pantau.sinks.sensorthings import SensorThingsTable
from pantau.sources.serial import SerialTable
from pantau.tomlfile import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from pydantic_core import ErrorDetails

_PUBLIC = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"
_LISTEN = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:\s]{1,253}):(\d{1,5})")


class BridgeTable(Table):
    """Who we are and where things lie."""

    city: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,16}$")]
    data_dir: FilePath = Path("data")
    registry: FilePath = Path("registry.toml")
    keys: FilePath = Path("keys.json")  # or the key store of a fleet
    keys_secret: FilePath | None = None  # what opens it; None = where pantau.vault looks
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool = False


class MqttTable(Table):
    """The broker. TLS unless said otherwise, and then only where the plain flag admits it."""

    host: Annotated[str, Field(min_length=1)]
    port: Port = 8883
    version: Literal["3.1.1", "5"] = "3.1.1"
    tls: bool = True
    lab_plain: bool = False
    ca: FilePath | None = None
    certificate: FilePath | None = None
    private_key: FilePath | None = None
    server_name: str | None = None
    user: str | None = None
    password_file: FilePath | None = None
    client_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,18}$")] = "pantau-bridge"
    keepalive_s: Annotated[int, Field(ge=10, le=3600)] = 60
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0


class SpoolTable(Table):
    """The durable log. At `max_mib` the bridge stops acknowledging and the nodes keep their frames."""

    max_mib: Annotated[int, Field(ge=1)] = 10_240
    max_batch: Annotated[int, Field(ge=1, le=65_536)] = 5_000  # beyond that frames per commit gain nothing (facts 5.2)
    ack_interval_ms: Annotated[int, Field(ge=0, le=10_000)] = 200


class QuarantineTable(Table):
    """Refused bytes are kept within these bounds; the oldest go first and are counted."""

    max_rows: Annotated[int, Field(ge=1)] = 10_000
    max_mib: Annotated[int, Field(ge=1)] = 64


def _address(value: str) -> str:
    """Accept HOST:PORT with a port that a socket can have."""
    found = _LISTEN.fullmatch(value)
    if found is None:
        msg = "must be HOST:PORT, as 127.0.0.1:8080 or [::1]:8080"
        raise ValueError(msg)
    if not 1 <= int(found[2]) <= MAX_PORT:
        msg = f"port {found[2]} does not exist; give one from 1 to {MAX_PORT}"
        raise ValueError(msg)
    return value


def _network(value: str) -> str:
    """Accept an IP address or network: a name could be somebody else tomorrow."""
    try:
        ipaddress.ip_network(value)
    except ValueError:
        msg = "must be an IP address or network, as 127.0.0.1 or 10.0.0.0/24"
        raise ValueError(msg) from None
    return value


class WebTable(Table):
    """The page and the API of this bridge."""

    listen: Annotated[str, AfterValidator(_address)] = "127.0.0.1:8080"
    enabled: bool = True
    public_read: bool = False
    title: str = "Pantau"
    public_url: Annotated[str, Field(pattern=_PUBLIC)] | None = None  # where people reach the page: links begin with it
    basemap: FilePath | None = None  # a folder of *.geojson and a *.pmtiles; None = degrees and names alone
    licence: str = ""  # of the data, as its SPDX name or URL: stands in the metadata of each datastream
    certificate: FilePath | None = None  # with both the page is HTTPS
    private_key: FilePath | None = None
    metrics: Literal["open", "token"] = "open"  # who reads /metrics: anybody who reaches the port, or a viewer's token
    # Addresses of reverse proxies that may say who asks and by which scheme. Nobody else is believed.
    trusted_proxies: list[Annotated[str, AfterValidator(_network)]] = Field(default_factory=list)

    @property
    def exposed(self) -> str:
        """Return what is unsafe about how others reach the page, and what to do; empty when nothing is."""
        host = self.address[0]
        try:
            ours = ipaddress.ip_address(host).is_loopback
        except ValueError:
            ours = host == "localhost"
        if not self.enabled or ours or self.certificate or self.trusted_proxies:
            return ""
        return (
            f"web.listen: {self.listen} is reached by others without HTTPS: passwords and tokens would travel in the clear; set "
            "certificate and private_key, or listen on 127.0.0.1 behind a reverse proxy (docs/access.md)"
        )

    @property
    def address(self) -> tuple[str, int]:
        """Return (host, port) of `listen`."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class SqliteTable(Table):
    """The embedded city store; None = <data_dir>/city.sqlite3."""

    path: FilePath | None = None


class SinksTable(Table):
    """Where observations go; one table per sink, named as its file in pantau/sinks."""

    sqlite: SqliteTable = SqliteTable()
    postgres: PostgresTable | None = None
    sensorthings: SensorThingsTable | None = None
    ngsi_ld: NgsiLdTable | None = None
    nats: NatsTable | None = None
    mqtt: MqttJsonTable | None = None
    line: LineTable | None = None
    files: FilesTable | None = None


class AlertsTable(Table):
    """What is an alert; None = the rules that Pantau ships."""

    rules: FilePath | None = None


class Config(Table):
    """The whole of pantau.toml."""

    bridge: BridgeTable
    mqtt: MqttTable
    serial: list[SerialTable] = Field(default_factory=list)
    spool: SpoolTable = SpoolTable()
    quarantine: QuarantineTable = QuarantineTable()
    web: WebTable = WebTable()
    sinks: SinksTable = SinksTable()
    alerts: AlertsTable = AlertsTable()
    cap: CapTable = CapTable()
    notify: NotifyTable = NotifyTable()
    retention: RetentionTable = RetentionTable()
    cluster: ClusterTable | None = None
    fleet: FleetTable = FleetTable()

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.cluster is not None and self.serial:
            msg = (
                "serial ports and [cluster] exclude each other: a port's node may belong to another bridge's partition"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _known_followers(self) -> Self:
        named = [] if self.cluster is None else self.cluster.followers or []
        for name in named:
            if name != "alerts" and getattr(self.sinks, name, None) is None:
                msg = f'[cluster] followers names "{name}", which is neither "alerts" nor a sink with a table [sinks.{name}]'
                raise ValueError(msg)
        return self

    @property
    def spool_path(self) -> Path:
        """Return the spool's file."""
        return self.bridge.data_dir / "spool.sqlite3"

    @property
    def book_path(self) -> Path:
        """Return the file of orders and releases."""
        return self.fleet.book or self.bridge.data_dir / "fleet.sqlite3"

    @property
    def store_path(self) -> Path:
        """Return the city store's file."""
        return self.sinks.sqlite.path or self.bridge.data_dir / "city.sqlite3"


def load(path: Path) -> Config:
    """Return the configuration in `path`; relative paths in it start at its folder. ConfigError lists every mistake."""
    config, problems = draft(path)
    if problems:
        raise ConfigError(problems)
    return config


def draft(path: Path) -> tuple[Config, list[Problem]]:
    """Return the configuration in `path` with every mistake in it; where it is wrong, with the default instead.

    So the files that it names can be looked at in the same go. Only with no problems may a bridge run on it. Raises
    ConfigError when `path` is not TOML.
    """
    tables = read_toml(path)
    problems = []
    context = {"base": path.resolve().parent}
    try:
        config = Config.model_validate(tables, context=context)
    except ValidationError as error:
        problems = explain(path, Config, error.errors())
        config = _without_mistakes(tables, error.errors(), context)
    return config, problems + [Problem(str(path), key, message) for key, message in _contradictions(tables)]


def _without_mistakes(tables: dict[str, object], errors: Sequence[ErrorDetails], context: dict[str, Path]) -> Config:
    """Return `tables` less what `errors` name, with something in the place of what must be there."""
    sound: dict[str, Any] = copy.deepcopy(tables)
    while True:
        gone = [_cut(sound, error["loc"]) for error in errors]
        if not any(gone):  # what is wrong is no single place: the two tables that are needed must do, or nothing
            needed = {name: table for name, table in sound.items() if name in {"bridge", "mqtt"}}
            sound = {} if needed == sound else needed
        sound.setdefault("bridge", {}).setdefault("city", "city")
        sound.setdefault("mqtt", {}).setdefault("host", "localhost")
        try:
            return Config.model_validate(sound, context=context)
        except ValidationError as error:  # what was left out may be needed by what is around it
            errors = error.errors()


def _cut(tables: dict[str, Any], place: tuple[int | str, ...]) -> bool:
    """Take out what stands at `place`, or the nearest around it that a table can be without; return whether it changed."""
    for end in range(len(place), 0, -1):
        holder: Any = tables
        for part in place[: end - 1]:
            inside = isinstance(holder, dict) and part in holder
            inside = inside or (isinstance(holder, list) and isinstance(part, int) and part < len(holder))
            holder = holder[part] if inside else None
        if isinstance(holder, dict) and place[end - 1] in holder:
            del holder[place[end - 1]]
            return True
    return False


def _contradictions(tables: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Yield (key path, message) for keys that do not fit together, whatever else is wrong beside them."""
    web = tables.get("web")
    for one, other in (("certificate", "private_key"), ("private_key", "certificate")):
        if isinstance(web, dict) and one in web and other not in web:
            yield f"web.{one}", f"without {other}; they belong together: set both or neither"
    mqtt = tables.get("mqtt")
    if not isinstance(mqtt, dict):
        return
    if mqtt.get("tls") is False and mqtt.get("lab_plain", False) is False:
        yield (
            "mqtt.tls",
            "false sends readings and passwords in the clear; set lab_plain = true to accept that in a lab",
        )
    for one, other in (("certificate", "private_key"), ("private_key", "certificate")):
        if one in mqtt and other not in mqtt:
            yield f"mqtt.{one}", f"without {other}; they belong together: set both or neither"
    if "password_file" in mqtt and "user" not in mqtt:
        yield "mqtt.password_file", "without user; set user"
