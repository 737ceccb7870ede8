"""django-ogc-sensorthings, a real OGC SensorThings 1.1 server on SQLite, as a child process."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from pantau_sim.servers import Missing, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = "django-ogc-sensorthings"
_STOP_S = 10.0

# The whole of the Django project; $ stands for what `running` is told.
_SETTINGS = """
from pathlib import Path
from uuid import UUID

SECRET_KEY = "of a server for tests, on this machine only"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "sta_urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(__file__).with_name("sta.sqlite3"),
        "OPTIONS": {"timeout": 20, "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "sensorthings.versions.v1_1",
    "sensorthings.versions.v1_1.backends.django",
    "sensorthings.versions.v1_1.extensions.dataarray",
]
SENSORTHINGS_V1_1_SERVICE_URL = "http://127.0.0.1:$port/sensorthings"
SENSORTHINGS_V1_1_BACKEND_ADAPTER = "sensorthings.versions.v1_1.backends.django.adapter.DjangoBackendAdapter"
SENSORTHINGS_V1_1_ID_TYPE = UUID
SENSORTHINGS_V1_1_ID_DELIMITER = "'"
SENSORTHINGS_V1_1_DOCS_ENABLED = False
"""
_URLS = """
from django.urls import include, path

urlpatterns = [path("sensorthings/", include("sensorthings.versions.v1_1.urls"))]
"""
_SERVE = """
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "sta_settings"
import django

django.setup()
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
import waitress

call_command("migrate", verbosity=0)
waitress.serve(get_wsgi_application(), listen="127.0.0.1:$port", threads=8)
"""


def python() -> Path:
    """Return the interpreter that has the server. Missing when tools/servers has not installed it."""
    venv = Path(__file__).parents[3] / ".servers"
    found = venv / "bin" / "python"
    if not any(venv.glob("lib/python*/site-packages/sensorthings")):
        raise Missing(_PACKAGE, f"{_PACKAGE} into .servers")
    return found


class Server:
    """One server on one port, with its database in one folder."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = free_port() if port is None else port
        self.host = "127.0.0.1"
        self.url = f"http://{self.host}:{self.port}/sensorthings/v1.1"
        self.database = folder / "sta.sqlite3"
        self._python = python()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("sta_settings.py", _SETTINGS), ("sta_urls.py", _URLS), ("sta_serve.py", _SERVE)):
            (folder / name).write_text(text.replace("$port", str(self.port)))

    def start(self) -> None:
        """Start it, with the data that it had."""
        log = self.folder / "log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [self._python, "sta_serve.py"], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        wait_for(f"{self.url}/", self._process, log=log)

    def stop(self) -> None:
        """End it; its data stay."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_S)
        self._process = None

    def lose(self) -> None:
        """Throw its data away, as a database that was dropped; it is up again afterwards."""
        self.stop()
        for file in self.folder.glob("sta.sqlite3*"):
            file.unlink()
        self.start()


@contextlib.contextmanager
def running(folder: Path, port: int | None = None) -> Iterator[Server]:
    """Run a server in `folder`. Raises Missing when it is not installed."""
    server = Server(folder, port)
    try:
        server.start()
        yield server
    finally:
        server.stop()
