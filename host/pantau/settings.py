"""Types of values that every table of pantau.toml may use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from pantau import keys
from pantau.problems import ConfigError, Problem, Table

if TYPE_CHECKING:
    from typing import Self


def _beside_file(path: Path, info: ValidationInfo) -> Path:
    """Resolve a relative path from the folder of the configuration file, wherever the command was started."""
    return Path(info.context["base"] / path) if info.context else path


FilePath = Annotated[Path, Field(strict=False), AfterValidator(_beside_file)]
MAX_PORT = 65_535
Port = Annotated[int, Field(ge=1, le=MAX_PORT)]


class Secured(Table):
    """What every server of others is reached with: TLS unless `lab_plain` admits plain."""

    lab_plain: bool = False
    ca: FilePath | None = None
    certificate: FilePath | None = None
    private_key: FilePath | None = None

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            msg = "certificate and private_key belong together: give both or none"
            raise ValueError(msg)
        return self


class Login(Secured):
    """And as whom: secrets stand in files of mode 0600, never in pantau.toml."""

    user: str | None = None
    password_file: FilePath | None = None
    token_file: FilePath | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            msg = "user and password_file belong together: give both or none"
            raise ValueError(msg)
        return self


def read_secret(path: Path, key: str) -> str:
    """Return the one line of a secret's file. ConfigError when it is missing, open to others or not one line of text."""
    keys.require_private(path)
    what = "is empty, or more than one line of printable text"
    try:
        secret = path.read_text(encoding="utf-8").strip()
        if secret and secret.isprintable():  # else what it is sent with would quote it in its complaint
            return secret
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        what = "is not UTF-8 text"
    raise ConfigError([Problem("", key, f"{path} {what}; it holds the secret on one line")])
