"""`pantau bridge install`: a plan of steps, made without touching anything, then taken one by one; each may be taken again.

Below a prefix (an image, a test) only files are written: sysusers.d and tmpfiles.d make the user and the owners when that
system starts.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pantau.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Sequence

UNIT = Path("/etc/systemd/system/pantau-bridge.service")
SYSUSERS = Path("/etc/sysusers.d/pantau.conf")
TMPFILES = Path("/etc/tmpfiles.d/pantau.conf")
CONFIG, DATA = Path("/etc/pantau"), Path("/var/lib/pantau")
SERVICE = UNIT.name
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"), Path("/tmp"))  # noqa: S108  where the service must not live


class InstallError(Exception):
    """The bridge cannot be installed so; the text says why and what to do."""


class Step(NamedTuple):
    """One step: a folder (`content` None) or a file with owner and mode, or a command. `keep` leaves a file that is there."""

    path: Path | None = None
    content: bytes | None = None
    mode: int = 0
    owner: str = "root"
    keep: bool = False
    command: tuple[str, ...] = ()

    def told(self) -> str:
        """Return the step for people."""
        if self.path is None:
            return f"run    {' '.join(self.command)}"
        kind = "folder" if self.content is None else "file  "
        return f"{kind} {self.path}  {self.mode:04o} {self.owner}{'  (kept when it is there)' if self.keep else ''}"


def plan(user: str, executable: Path, prefix: Path | None) -> list[Step]:
    """Return the steps of an installation for `user` that runs `executable`. Raises InstallError."""
    if not _USER.fullmatch(user):
        raise InstallError(f"{user!r} is no name for a system user; choose one of a-z, 0-9, - and _")
    if not executable.is_absolute() or re.search(r"[\s%$\"'\\]", str(executable)):
        raise InstallError(
            f"{executable} cannot stand in a systemd unit; install Pantau below a plain path, as /opt/pantau"
        )
    if prefix is None and any(executable.is_relative_to(home) for home in _HOMES):
        raise InstallError(
            f"{executable} is in a folder that a service cannot see. Install Pantau for all: python3 -m venv /opt/pantau, "
            "/opt/pantau/bin/pip install pantau, /opt/pantau/bin/pantau bridge install"
        )
    unit = _template("pantau-bridge.service").replace("@USER@", user).replace("@EXE@", str(executable))
    return [
        Step(SYSUSERS, f'u {user} - "Pantau bridge" {DATA}\n'.encode(), 0o644),
        Step(TMPFILES, _tmpfiles(user).encode(), 0o644),
        *([] if prefix else _make_user(user)),
        Step(CONFIG, None, 0o750, user),
        Step(CONFIG / "credentials", None, 0o700),
        *(
            Step(CONFIG / name, content, 0o600 if name == "keys.json" else 0o640, user, keep=True)
            for name, content in starting_files(str(DATA)).items()
        ),
        Step(DATA, None, 0o750, user),
        Step(UNIT, unit.encode(), 0o644),
        *([] if prefix else _commands(("systemctl", "daemon-reload"))),
    ]


def plan_removal(prefix: Path | None) -> list[Step]:
    """Return the steps that end the service. Configuration, keys, data and user stay."""
    stop = [] if prefix else _commands(("systemctl", "disable", "--now", SERVICE))
    return [*stop, *([] if prefix else _commands(("systemctl", "daemon-reload")))]


def starting_files(data_dir: str | None = None) -> dict[str, bytes]:
    """Return the files that a new bridge begins with, by name; the data folder is beside them unless it is given."""
    text = _template("pantau.toml")
    if data_dir is not None:
        text, count = re.subn(r'(?m)^data_dir = "data" {0,12}', f'data_dir = "{data_dir}"  ', text)
        assert count == 1, "the template names its data folder"
    found = {"pantau.toml": text, "registry.toml": _template("registry.toml"), "keys.json": Keys({}).to_json()}
    return {name: content.encode() for name, content in found.items()}


def take(steps: Sequence[Step], prefix: Path | None) -> list[str]:
    """Take the steps, below `prefix` when there is one; return what was done, in words. Raises InstallError at the first failure."""
    done = []
    for step in steps:
        try:
            done.append(_run(step.command) if step.path is None else _place(step, step.path, prefix))
        except OSError as error:
            what = f"{error.filename or step.told()}: {error.strerror or error}"
            raise InstallError(f"{what}; run it as root, or with --prefix. What was done so far can stay") from None
    return done


def remove(prefix: Path | None) -> list[str]:
    """End the service and take its own files away."""
    steps = plan_removal(prefix)
    done = take(steps[:1], prefix)
    for path in (UNIT, SYSUSERS, TMPFILES):
        there = below(prefix, path)
        try:
            there.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InstallError(f"{there}: {error.strerror}; run it as root") from None
        done.append(f"removed {there}")
    return done + take(steps[1:], prefix)


def below(prefix: Path | None, path: Path) -> Path:
    """Return where `path` lies below `prefix`."""
    return prefix / path.relative_to("/") if prefix else path


def _place(step: Step, path: Path, prefix: Path | None) -> str:
    """Make or correct one folder or file."""
    target = below(prefix, path)
    if step.content is None:
        target.mkdir(parents=True, exist_ok=True)
        said = "folder"
    elif target.exists() and (step.keep or target.read_bytes() == step.content):
        said = "kept"
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, step.mode), "wb") as file:
            file.write(step.content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
        said = "wrote"
    # Whatever the umask; and a file that was kept must be as private as a new one. The folder is the service's: a link in it
    # must not lead root elsewhere.
    handle = os.open(target, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fchmod(handle, step.mode)
        if prefix is None:
            os.fchown(handle, pwd.getpwnam(step.owner).pw_uid, grp.getgrnam(step.owner).gr_gid)
    finally:
        os.close(handle)
    return f"{said} {target}"


def _make_user(user: str) -> list[Step]:
    try:
        pwd.getpwnam(user)
    except KeyError:
        if shutil.which("systemd-sysusers"):
            return [Step(command=("systemd-sysusers", str(SYSUSERS)))]
        return [
            Step(
                command=(
                    "useradd",
                    "--system",
                    "--user-group",
                    "--home-dir",
                    str(DATA),
                    "--shell",
                    "/usr/sbin/nologin",
                    user,
                )
            )
        ]
    return []


def _commands(*commands: tuple[str, ...]) -> list[Step]:
    """Return the commands whose tool is here: without systemd the files are all that can be installed."""
    return [Step(command=command) for command in commands if shutil.which(command[0])]


def _run(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    said = f"ran {' '.join(command)}"
    return said if done.returncode == 0 else f"{said}: failed ({(done.stderr or done.stdout).strip()})"


def _tmpfiles(user: str) -> str:
    return (
        f"d {CONFIG} 0750 {user} {user}\nd {CONFIG}/credentials 0700 root root\nd {DATA} 0750 {user} {user}\n"
        f"z {CONFIG}/*.toml 0640 {user} {user}\nz {CONFIG}/keys.json 0600 {user} {user}\n"
    )


def _template(name: str) -> str:
    return files("pantau").joinpath("templates", name).read_text(encoding="utf-8")
