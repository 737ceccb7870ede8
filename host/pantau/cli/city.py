"""`pantau city init`: the files of a new city, from a few questions."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from pydantic import ValidationError

from pantau import durable
from pantau.cli.report import FailedError, UsageError
from pantau.config import BridgeTable, MqttTable, WebTable
from pantau.keys import Keys
from pantau.problems import ConfigError, explain
from pantau.registry.tables import StationTable
from pantau.survey import survey

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.problems import Table

_FILES = ("pantau.toml", "registry.toml", "keys.json")
_PASSWORD = "mqtt.password"  # noqa: S105 - the file's name
_SECRET_BYTES = 18  # 144 bits, 24 characters
_TLS_PORT, _PLAIN_PORT = 8883, 1883
_PLACES = 5  # ID,DOMAIN,LATITUDE,LONGITUDE,NAME


class Answers(NamedTuple):
    """What a new city's files are made of."""

    city: str
    name: str
    broker: str
    port: int
    tls: bool
    ca: Path | None
    user: str
    listen: str
    stations: list[StationTable]


@click.group("city")
def command() -> None:
    """A city: its configuration."""


@command.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Ask nothing; what is not given has its default.")
@click.option("--city", help="The city's short name in every topic: a-z, 0-9, -, at most 16. Default: from DIR.")
@click.option("--name", help="The city's name on the page.")
@click.option("--broker", metavar="HOST", help="The MQTT broker. Default: localhost.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Its port. Default: 8883 with TLS, 1883 without.")
@click.option("--plain", is_flag=True, help="No TLS: readings and passwords in the clear. Only for a lab.")
@click.option(
    "--ca", type=click.Path(path_type=Path), help="CA that signed the broker's certificate. Default: the system's."
)
@click.option("--user", help='User of the bridge at the broker, "" for none. Default: bridge; a password is made.')
@click.option("--listen", metavar="HOST:PORT", help="Where the page is served. Default: 127.0.0.1:8080.")
@click.option(
    "--station", "places", multiple=True, metavar="ID,DOMAIN,LAT,LON,NAME", help="A first station; may repeat."
)
def init(folder: Path, yes: bool, plain: bool, places: tuple[str, ...], **given: Any) -> None:
    """Write the configuration of a new city into DIR. Overwrites nothing; what it writes is checked first."""
    there = [name for name in (*_FILES, _PASSWORD) if (folder / name).exists()]
    if there:
        raise UsageError(f"{folder} already has {', '.join(there)}; choose another folder or move them away")
    answers = _answers(_Questions(yes), folder, plain, [_place(text) for text in places], given)
    _write(folder, answers)
    click.echo(_next(folder, answers))


@command.command()
@click.option(
    "-c", "--config", "path", type=click.Path(dir_okay=False, path_type=Path), default=Path("pantau.toml"),
    show_default=True, help="The configuration; its [cluster] leads to the log.",
)  # fmt: skip
def run(path: Path) -> None:
    """Run sinks, alerts and page on the log that several bridges share, until SIGTERM or Ctrl-C."""
    from pantau.cluster.host import run as run_city

    try:
        run_city(path)
    except (RuntimeError, sqlite3.Error) as error:
        raise FailedError(str(error)) from None


# --- questions


class _Questions:
    """Asks, or takes what was given or the default, and has each answer judged by the table that it goes into."""

    def __init__(self, silent: bool) -> None:
        self.silent = silent

    def answer(self, text: str, given: Any, default: Any, judge: Callable[[Any], Any], *, hint: str = "") -> Any:
        """Return the judged answer; a wrong one is asked for again, or ends the command where nothing is asked."""
        if given is not None or self.silent:
            try:
                return judge(default if given is None else given)
            except click.BadParameter as error:
                raise UsageError(f"{text}: {error.message}{hint}") from None
        return click.prompt(text, default=default, value_proc=judge, show_default=default != "")

    def yes(self, text: str, default: bool) -> bool:
        """Return whether people agree."""
        return default if self.silent else click.confirm(text, default=default)


def _judge(
    model: type[Table], field: str, others: dict[str, Any], of: Callable[[str], Any] = str
) -> Callable[[Any], Any]:
    """Return a function that gives what `model` says to a value of `field`, or what is wrong with it."""

    def judge(value: Any) -> Any:
        try:
            value = of(value) if isinstance(value, str) else value
            return getattr(model.model_validate({**others, field: value}), field)
        except ValidationError as error:
            said = explain(Path(), model, [e for e in error.errors() if e["loc"][:1] == (field,)])
            raise click.BadParameter("; ".join(problem.message for problem in said)) from None
        except ValueError:
            raise click.BadParameter("is no number") from None

    return judge


def _number(text: str) -> float:
    """Return a number that may be written with a decimal comma, as in Indonesia."""
    return float(text.strip().replace(",", "."))


def _answers(
    ask: _Questions, folder: Path, plain: bool, stations: list[StationTable], given: dict[str, Any]
) -> Answers:
    slug = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:16].strip("-")
    city = ask.answer(
        "City, short (a-z, 0-9, -)", given["city"], slug, _judge(BridgeTable, "city", {}), hint="; give --city"
    )
    name = ask.answer("City's name", given["name"], city.replace("-", " ").title(), _judge(WebTable, "title", {}))
    broker = ask.answer("Broker's host", given["broker"], "localhost", _judge(MqttTable, "host", {}))
    tls = not plain and ask.yes("Does it speak TLS? (no: readings and passwords go in the clear)", default=True)
    judge_port = _judge(MqttTable, "port", {"host": broker}, int)
    port = ask.answer("Its port", given["port"], _TLS_PORT if tls else _PLAIN_PORT, judge_port)
    ca = None
    if tls:
        ca = ask.answer("CA file of the broker (empty: the system's)", given["ca"], "", _file)
    user = ask.answer("User at the broker (empty: none)", given["user"], "bridge", str.strip)
    listen = ask.answer("Page at", given["listen"], "127.0.0.1:8080", _judge(WebTable, "listen", {}))
    while not ask.silent and ask.yes("Another station?" if stations else "A station now?", default=False):
        stations.append(_station(ask, {s.id for s in stations}))
    return Answers(city, name, broker, port, tls, ca, user, listen, stations)


def _file(value: str | Path) -> Path | None:
    """Return a file that can be read, as an absolute path; None for nothing."""
    if not str(value):
        return None
    path = Path(value).resolve()
    if not path.is_file():
        raise click.BadParameter(f"{path} is not there")
    return path


_SKELETON = {"id": "x", "name": "x", "domain": "flood", "latitude": 0.0, "longitude": 0.0}


def _station(ask: _Questions, taken: set[str]) -> StationTable:
    """Ask for one station."""

    def field(text: str, name: str, default: Any = None, of: Callable[[str], Any] = str.strip) -> Any:
        judge = _judge(StationTable, name, _SKELETON, of)
        return ask.answer(text, None, default, lambda value: None if value == "" else judge(value))

    def new_id(value: str) -> str:
        if value in taken:
            raise click.BadParameter("this id is taken")
        return str(_judge(StationTable, "id", _SKELETON)(value))

    said = {
        "id": ask.answer("  Id (a-z, 0-9, -)", None, None, new_id),
        "name": field("  Name", "name"),
        "domain": field("  Domain (flood, traffic, air)", "domain", "flood"),
        "latitude": field("  Latitude, degrees", "latitude", of=_number),
        "longitude": field("  Longitude, degrees", "longitude", of=_number),
        "kemendagri": field("  Kemendagri code, as 36.71.01.1001 (empty: not known)", "kemendagri", ""),
    }
    if said["domain"] == "flood":
        said["sensor_height_m"] = field(
            "  Sensor above the station's zero, m (empty: not known)", "sensor_height_m", "", _number
        )
        said["tip_mm"] = field("  Rain per tip, mm (empty: no gauge)", "tip_mm", "", _number)
    return StationTable.model_validate({key: value for key, value in said.items() if value is not None})


def _place(text: str) -> StationTable:
    """Return the station of one --station."""
    parts = [part.strip() for part in text.split(",", _PLACES - 1)]
    if len(parts) != _PLACES:
        raise UsageError(f"--station {text}: give ID,DOMAIN,LATITUDE,LONGITUDE,NAME")
    try:
        position = {"latitude": float(parts[2]), "longitude": float(parts[3])}
        return StationTable.model_validate({"id": parts[0], "domain": parts[1], "name": parts[4], **position})
    except ValidationError as error:
        said = "; ".join(f"{p.key} {p.message}" for p in explain(Path(), StationTable, error.errors()))
        raise UsageError(f"--station {text}: {said}") from None
    except ValueError:
        raise UsageError(f"--station {text}: latitude and longitude are numbers, as -6.2021") from None


# --- files


def _write(folder: Path, answers: Answers) -> None:
    """Write all files or none, and only such as a bridge runs on."""
    texts = {"pantau.toml": _pantau(answers), "registry.toml": _registry(answers), "keys.json": Keys({}).to_json()}
    if answers.user:
        texts[_PASSWORD] = secrets.token_urlsafe(_SECRET_BYTES) + "\n"
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            durable.create(folder / name, text, mode=0o600 if name in {"keys.json", _PASSWORD} else 0o644)
            made.append(folder / name)
        found = survey(folder / "pantau.toml")
        if found.problems:
            raise ConfigError(found.problems)
    except (OSError, ConfigError) as error:
        for path in made:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UsageError(f"{folder} cannot be written: {error.strerror}; nothing was left there") from None
        raise


def _pantau(answers: Answers) -> str:
    """Return the shipped pantau.toml with the answers in their places and its comments."""
    values: dict[tuple[str, str], Any] = {
        ("bridge", "city"): answers.city,
        ("mqtt", "host"): answers.broker,
        ("mqtt", "port"): answers.port,
        ("mqtt", "tls"): answers.tls,
        ("web", "listen"): answers.listen,
        ("web", "title"): answers.name,
    }
    if not answers.tls:
        values["mqtt", "lab_plain"] = True
    if answers.ca is not None:
        values["mqtt", "ca"] = str(answers.ca)
    if answers.user:
        values |= {("mqtt", "user"): answers.user, ("mqtt", "password_file"): _PASSWORD}
    table, lines = "", []
    for line in _template("pantau.toml").splitlines():
        if header := re.match(r"\[([\w.]+)\]", line):
            table = header[1]
        found = re.match(r"(?:# )?(\w+) = (?:\"[^\"]*\"|[^\s#]+)(\s*#.*)?$", line)
        if found and (table, found[1]) in values:
            line = f"{found[1]} = {_toml(values.pop((table, found[1])))}{found[2] or ''}"
        lines.append(line)
    assert not values, f"the template has no place for {values.keys()}"
    return "\n".join(lines) + "\n"


def _registry(answers: Answers) -> str:
    """Return the first stations, and behind them the shipped examples as comments."""
    lines = [f"# Stations of {answers.name}. What may stand here: docs/registry.md"]
    for station in answers.stations:
        lines += ["", "[[station]]"]
        lines += [f"{key} = {_toml(value)}" for key, value in station.model_dump(exclude_unset=True).items()]
        lines += ["nodes_at_once = 1"]
    return "\n".join([*lines, "", _template("registry.toml")])


def _template(name: str) -> str:
    return files("pantau").joinpath("templates", name).read_text(encoding="utf-8")


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _next(folder: Path, answers: Answers) -> str:
    """Return what there is now and what to do with it."""
    config = folder / "pantau.toml"
    steps = []
    if answers.user:
        steps.append(
            f"give the broker the user {answers.user} with the password in {folder / _PASSWORD}"
            f" (mosquitto_passwd FILE {answers.user})"
        )
    steps += [
        f"{'complete' if answers.stations else 'add'} the stations in {folder / 'registry.toml'} (docs/registry.md)",
        f"enrol nodes: the key of each into {folder / 'keys.json'}, its [[node]] into registry.toml",
        f"pantau bridge check -c {config}",
        f"pantau bridge run -c {config}; the page is then at http://{answers.listen}/",
    ]
    numbered = [f"  {number}. {step}" for number, step in enumerate(steps, 1)]
    return "\n".join([f"{answers.name} is in {folder}: {len(answers.stations)} stations. Next:", *numbered])
