"""A PostgreSQL server with PostGIS on a free port: Debian's packages, a cluster of its own in a folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pantau_sim.servers import Missing, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HOMES = Path("/usr/lib/postgresql")
_USER = "postgres"
_PAUSE_S = 0.02
PACKAGE = "postgresql-15 postgresql-15-postgis-3"


class Server:
    """A cluster, running or stopped. `settings` go to the server as -c; anybody on this machine is `postgres` without a password."""

    host = "127.0.0.1"
    user = _USER

    def __init__(self, home: Path, folder: Path, port: int, settings: Sequence[str]) -> None:
        self.home = home
        self.folder = folder
        self.port = port
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return its address, without a database."""
        return f"postgresql://{self.user}@{self.host}:{self.port}"

    @property
    def data(self) -> Path:
        """Return where the cluster lies, with its configuration."""
        return self.folder / "data"

    @property
    def owner(self) -> tuple[int, int]:
        """Return user and group of the cluster's files."""
        found = self.folder.stat()
        return found.st_uid, found.st_gid

    def make(self) -> None:
        """Make an empty cluster."""
        command = [
            self.home / "initdb",
            "-D",
            self.data,
            "-A",
            "trust",
            "-U",
            _USER,
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-N",
        ]
        subprocess.run([*_as_postgres(), *map(str, command)], check=True, capture_output=True, cwd=self.folder)

    def start(self) -> None:
        """Start, on the same port; returns when it takes connections."""
        options = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
            *self._settings,
        ]
        command = [str(self.home / "postgres"), "-D", str(self.data), *(f"-c{option}" for option in options)]
        log = self.folder / "log"
        with log.open("ab") as said:
            self._process = subprocess.Popen([*_as_postgres(), *command], stdout=said, stderr=said, cwd=self.folder)
        wait_for(self.port, self._process, log=log)
        ready = [str(self.home / "pg_isready"), "-q", "-h", self.host, "-p", str(self.port), "-t", "20"]
        while subprocess.run(ready, check=False).returncode == 1:  # 1: it starts up still
            time.sleep(_PAUSE_S)
            wait_for(self.port, self._process, log=log)

    def stop(self, *, crash: bool = False) -> None:
        """End it; data is kept. In a `crash` without what it had not yet written, as when the power goes."""
        if self._process is not None:
            mode = "immediate" if crash else "fast"
            command = [str(self.home / "pg_ctl"), "-D", str(self.data), "-m", mode, "-w", "stop"]
            subprocess.run([*_as_postgres(), *command], check=False, capture_output=True, cwd=self.folder)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:  # its folder is gone, say: then pg_ctl does not find it
                self._process.terminate()
                self._process.wait(20)
            self._process = None

    def psql(self, script: str, database: str = _USER) -> str:
        """Run statements; return what they say, unaligned. CalledProcessError when one fails."""
        said = subprocess.run([*self.psql_command(database), "-c", script], check=True, capture_output=True, text=True)
        return said.stdout.strip()

    def psql_command(self, database: str) -> list[str]:
        """Return the command that runs psql on a database."""
        name = shutil.which("psql") or str(self.home / "psql")
        return [name, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.host, "-p", str(self.port), "-U", _USER, "-d", database]  # fmt: skip

    def create(self, database: str) -> None:
        """Make a database with PostGIS in it, in place of one of the same name."""
        self.drop(database)
        self.psql(f'CREATE DATABASE "{database}"')
        self.psql("CREATE EXTENSION postgis", database)

    def drop(self, database: str) -> None:
        """Drop a database and end who uses it."""
        self.psql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


@contextmanager
def running(folder: Path, port: int | None = None, settings: Sequence[str] = ()) -> Iterator[Server]:
    """Run a new cluster in `folder`, which must be empty; it and the data are gone in the end. Raises Missing.

    PostgreSQL refuses to run as root: then it is the user `postgres`, who must be able to reach `folder`.
    """
    home = _home()
    _own(folder)
    server = Server(home, folder, port or free_port(), settings)
    server.make()
    try:
        server.start()
        yield server
    finally:
        server.stop(crash=True)
        shutil.rmtree(server.data, ignore_errors=True)


def _home() -> Path:
    """Return the folder with the newest server's programs that has PostGIS. Raises Missing."""
    versions = sorted(_HOMES.glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]), reverse=True)
    for program in versions:
        if Path(f"/usr/share/postgresql/{program.parts[-3]}/extension/postgis.control").exists():
            return program.parent
    raise Missing("PostgreSQL with PostGIS" if not versions else "PostGIS", PACKAGE)


def _as_postgres() -> list[str]:
    return ["runuser", "-u", _USER, "--"] if os.geteuid() == 0 else []


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        owner = pwd.getpwnam(_USER)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        folder.chmod(0o755)
