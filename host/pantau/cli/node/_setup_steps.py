"""The steps of `pantau node setup`: what is done already is seen on the board, so that a wizard can be left and begun again anywhere.

Each step is a command of `pantau node`; for programs their JSON is gathered instead of printed.
"""

from __future__ import annotations

import contextlib
import io
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.exceptions import Exit

from pantau import registry as registry_file
from pantau.cli.node import commission, flash, install, selftest
from pantau.cli.node._common import now, unix_ms
from pantau.cli.node._field import note
from pantau.cli.node._provision_ask import Wanted
from pantau.cli.node.provision import provisioned
from pantau.cli.report import FailedError, UsageError
from pantau.fleet import files
from pantau.node.ports import Port, again
from pantau.node.reach import Found, look, wait_for_node, wait_for_repl
from pantau.node.session import GREET_S, Session
from pantau.node.words import say

STEPS = ("list", "flash", "install", "provision", "selftest", "commission")
_HEARD_S = 60.0
_START_S = 90.0  # until a node answers after its restart: with a slow flash and a full outbox


class How(NamedTuple):
    """How the wizard goes: image, the answers to provisioning and commissioning, and whether somebody is there."""

    image: Path | None
    wanted: Wanted
    commissioning: dict[str, Any]
    lang: str
    as_json: bool
    present: bool
    steps: tuple[str, ...] = STEPS


class Wizard:
    """One board on its way. `told` is what the steps said, by their names."""

    def __init__(self, port: Port, how: How) -> None:
        """port: of the board."""
        self.port, self.how = port, how
        self.told: dict[str, Any] = {}
        self.node = ""
        self._found = Found("blank", {})

    def run(self) -> dict[str, Any]:
        """Do every step that is not done; return what is to be told. Trouble is raised, and running it again goes on from there."""
        for number, name in enumerate(self.how.steps, 1):
            what = self._say("step_" + name)
            self._note("step", n=number, m=len(self.how.steps), what=what)
            getattr(self, "_" + name)()
        registry = self._registry()
        place = registry.station_of(self.node, unix_ms(now()))
        return {
            "port": self.port.device, "serial": self.port.serial, "node": self.node, "station": place.id if place else "",
            "in_service": not self._found.hello.get("setup"), "steps": self.told,
        }  # fmt: skip

    def _list(self) -> None:
        self._found = found = look(self.port)
        values: dict[str, Any] = {"port": self.port.device}
        if found.what == "node":
            values |= {"node": found.hello.get("node"), "version": found.hello.get("version")}
        elif found.facts is not None:
            version = ".".join(map(str, found.facts.version))
            values |= {"machine": found.facts.machine, "version": version}
        self._note("found_" + found.what, **values)
        self.told["list"] = {"found": found.what, **values}

    def _flash(self) -> None:
        if self._found.what != "blank":
            self._already("flash", self._say("is_flashed"))
            return
        image = self.how.image
        if image is None and not self.how.present:
            raise UsageError(self._say("no_image"))
        if image is None:
            label = self._say("ask_image")
            kind = click.Path(exists=True, dir_okay=False, path_type=Path)
            image = click.prompt(label, type=kind, err=True)
        self._command("flash", flash.command, file=image)
        self.port = wait_for_repl(self.port, _START_S)

    def _install(self) -> None:
        if self._found.what == "node":
            self._already("install", self._say("is_installed", version=self._found.hello.get("version")))
            return
        self._command("install", install.command, no_reset=True)

    def _provision(self) -> None:
        how, hello = self.how, self._found.hello
        if (
            self._found.what == "node"
            and hello.get("node") in files.load(how.wanted.folder).store.nodes
            and not self._other()
        ):
            self.node = str(hello["node"])
            self._already("provision", self._say("is_provisioned", node=self.node))
            return
        result, text = provisioned(self.port, how.wanted, how.lang, present=how.present, as_json=how.as_json)
        self.told["provision"], self.node = result, result["node"]
        note(text, as_json=how.as_json)
        self._note("starting", node=self.node)
        self.port = again(self.port)
        self._found = Found("node", wait_for_node(self.port, _START_S, self.node))

    def _other(self) -> bool:
        """Return whether the options ask for another node than the one that runs there."""
        wanted, node = self.how.wanted, self._found.hello.get("node")
        place = self._registry().station_of(str(node), unix_ms(now()))
        return (
            wanted.node not in {None, node}
            or wanted.station not in {None, place.id if place else None}
            or place is None
        )

    def _selftest(self) -> None:
        try:
            self._command("selftest", selftest.command, wait=int(GREET_S))
        except Exit:
            if not (self.how.present and click.confirm(self._say("ask_bad_sensor"), err=True)):
                raise FailedError(self._say("bad_sensor", node=self.node)) from None

    def _commission(self) -> None:
        how = self.how
        if not self._found.hello.get("setup"):
            self._already("commission", self._say("is_commissioned", node=self.node))
            return
        there = bool(how.commissioning.get("who"))
        if how.present and not there:
            there = click.confirm(self._say("ask_on_site"), err=True)
        if not there:
            self._note("skipped", what=self._say("not_on_site"))
            self.told["commission"] = {"skipped": True}
            return
        self._until_heard()
        options = {"keys": how.wanted.folder / "keys.vault", "config": how.wanted.config, "yes": not how.present}
        self._command("commission", commission.command, wait=int(GREET_S), **options, **how.commissioning)
        self._found.hello["setup"] = 0

    def _until_heard(self) -> None:
        """Wait for the bridge's first acknowledgement after a start; without one the checks say what is missing."""
        with Session.open(self.port) as session:
            end = time.monotonic() + _HEARD_S
            if session.ask("seen").get("ack_s") is None:
                self._note("hearing", s=int(_HEARD_S))
            while session.ask("seen").get("ack_s") is None and time.monotonic() < end:
                session.listen(1)

    def _command(self, name: str, command: click.Command, **options: Any) -> None:
        """Run a command of `pantau node` for this port."""
        how, context = self.how, click.get_current_context()
        values = {"port": self.port.device, "lang": how.lang, "as_json": how.as_json, **options}
        if not how.as_json:
            context.invoke(command, **values)
            self.told[name] = {"done": True}
            return
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                context.invoke(command, **values)
        finally:
            with contextlib.suppress(ValueError):
                self.told[name] = json.loads(out.getvalue())

    def _already(self, name: str, what: str) -> None:
        self._note("already", what=what)
        self.told[name] = {"already": True}

    def _registry(self) -> registry_file.Registry:
        from pantau import config as config_file

        return registry_file.load(config_file.load(self.how.wanted.config).bridge.registry)

    def _note(self, key: str, **values: Any) -> None:
        note(self._say(key, **values), as_json=self.how.as_json)

    def _say(self, key: str, **values: Any) -> str:
        return say("setup." + key, self.how.lang, **values)
