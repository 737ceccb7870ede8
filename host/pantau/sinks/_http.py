"""HTTP to a target, for sinks: bounded in time and size, with what went wrong said so that an operator can act.

The status is not the verdict: a sink reads the body. Here only what concerns the whole target becomes trouble.
"""

from __future__ import annotations

import base64
import email.utils
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from urllib.parse import urlsplit

import urllib3
from pydantic import Field, field_validator, model_validator
from urllib3.util import parse_url

from pantau.problems import ConfigError, Problem
from pantau.settings import Login, read_secret
from pantau.sinks.items import TargetTrouble

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

_MOST_BYTES = 64 << 20  # of an answer
_PIECE = 1 << 16
_LONGEST_WAIT_S = 600.0  # that a Retry-After may ask for
_QUOTED = 200  # characters of an answer in a message
_LATER = frozenset({402, 407, 408, 421, 423, 425, 426, 429, 451})  # about us or the way, not about what we sent
_TOO_LARGE = 413
_WHO = {401: "it does not accept our credentials", 403: "our credentials may not do this"}


class HttpTable(Login):
    """How to reach a target over HTTP. TLS unless `lab_plain` admits plain; secrets stand in files of mode 0600."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    batch: Annotated[int, Field(ge=1, le=10_000)] = 1_000

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        if "@" in value.split("/")[2]:  # it would stand in every message about the target
            msg = "must hold no user or password: give user and password_file, or token_file"
            raise ValueError(msg)
        with suppress(ValueError):
            if parse_url(value).host:
                return value
        msg = "is no address: it is https://HOST or https://HOST:PORT, with a path where the server has one"
        raise ValueError(msg)

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.url.startswith("http://") and not self.lab_plain:
            msg = (
                "url is plain http: use https, or set lab_plain = true for a server on this machine or in a laboratory"
            )
            raise ValueError(msg)
        return self


class Answer(NamedTuple):
    """A whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> Any:
        """Return the body as JSON. Raises TargetTrouble, ambiguous: something between us answers in the server's place."""
        try:
            return json.loads(self.body)
        except ValueError:
            kind = self.headers.get("content-type", "no content type")
            said = f"{self.url} answered {self.status} with {kind} instead of JSON: {self.quoted()}"
            raise TargetTrouble(f"{said}; is this the right address, without a login page or proxy before it?", ambiguous=True) from None  # fmt: skip

    def quoted(self) -> str:
        """Return the beginning of the body, for a message."""
        text = " ".join(self.body[: 4 * _QUOTED].decode("utf-8", "replace").split())
        return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…")


class Http:
    """One connection to one target, kept open. `prefix` names the table in messages, as sinks.sensorthings."""

    def __init__(self, settings: HttpTable, prefix: str) -> None:
        """Raise ConfigError for secrets that cannot be read."""
        self.url = settings.url.rstrip("/")
        self._prefix = prefix
        self._timeout_s = settings.timeout_s
        self._headers = {"User-Agent": "pantau"}
        if settings.token_file is not None:
            token = read_secret(settings.token_file, f"{prefix}.token_file")
            if not token.isascii():
                what = f"{settings.token_file} holds characters that no header can; a token is ASCII"
                raise ConfigError([Problem("", f"{prefix}.token_file", what)])
            self._headers["Authorization"] = f"Bearer {token}"
        elif settings.user is not None and settings.password_file is not None:
            password = read_secret(settings.password_file, f"{prefix}.password_file")
            pair = base64.b64encode(f"{settings.user}:{password}".encode())  # UTF-8, as RFC 7617 advises
            self._headers["Authorization"] = f"Basic {pair.decode()}"
        self._root = urlsplit(self.url).path
        tls: dict[str, Any] = {
            "ca_certs": None if settings.ca is None else str(settings.ca),
            "cert_file": None if settings.certificate is None else str(settings.certificate),
            "key_file": None if settings.private_key is None else str(settings.private_key),
        }
        # The pool itself rather than a manager of pools: there is one server, and a quarter less work for each request.
        self._pool = urllib3.connection_from_url(self.url, maxsize=1, **(tls if self.url.startswith("https:") else {}))

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        one_item: bool = False,
    ) -> Answer:
        """Return the answer of any status that is about the request: 2xx, and 4xx but for those of the target as a whole.

        `path` begins at the table's url, or is a whole URL of the same server. Raises TargetTrouble for everything else.
        With `one_item` a 500 is returned too, which servers answer to a single bad item, and a 501: they have no such request.
        """
        whole = path.startswith(("http://", "https://"))
        url = path if whole else self.url + path
        target = (
            url.removeprefix(f"{self._pool.scheme}://{urlsplit(url).netloc}") or "/" if whole else self._root + path
        )
        began = time.monotonic()
        try:
            answer = self._pool.urlopen(
                method, target, body=body, headers={**self._headers, **(headers or {})}, retries=False, redirect=False,
                preload_content=False, timeout=urllib3.Timeout(connect=min(10.0, self._timeout_s), read=self._timeout_s),
            )  # fmt: skip
        except urllib3.exceptions.NewConnectionError:
            raise TargetTrouble(f"nothing listens at {self.url}; start the server or correct [{self._prefix}] url") from None  # fmt: skip
        except urllib3.exceptions.ConnectTimeoutError:
            raise TargetTrouble(f"{self.url} cannot be reached; check the address and the firewall") from None
        except urllib3.exceptions.SSLError as error:
            raise TargetTrouble(f"{self.url}: TLS: {error}; check [{self._prefix}] ca") from None
        except urllib3.exceptions.HTTPError as error:
            raise TargetTrouble(f"{url} did not answer: {error}", ambiguous=True) from None
        try:
            read = self._read(answer, url, began)
        finally:
            answer.close() if answer.connection is not None else answer.release_conn()
        if not (one_item and read.status in {500, 501}):
            self._judge(read)
        return read

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()

    def _read(self, answer: urllib3.BaseHTTPResponse, url: str, began: float) -> Answer:
        pieces, size = [], 0
        try:
            while piece := answer.read1(_PIECE):  # what has come: to wait for a whole piece would have no end
                pieces.append(piece)
                size += len(piece)
                if size > _MOST_BYTES:
                    raise TargetTrouble(f"{url} answered with more than {_MOST_BYTES >> 20} MB", ambiguous=True)
                if time.monotonic() - began > self._timeout_s:
                    raise TargetTrouble(f"{url} has not finished its answer in {self._timeout_s:g} s", ambiguous=True)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TargetTrouble(f"{url} broke off its answer: {error}", ambiguous=True) from None
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, headers, b"".join(pieces), url)

    def _judge(self, answer: Answer) -> None:
        status = answer.status
        ours = 400 <= status < 500 and status not in _WHO and status not in _LATER
        # A page for people comes from what stands between, or from the wrong server: it says nothing about an item.
        page = "html" in answer.headers.get("content-type", "") and status != _TOO_LARGE
        if 200 <= status < 300 or (ours and not page):
            return
        if ours:
            said = f"{answer.url} answered {status} with a page for people: {answer.quoted()}"
            raise TargetTrouble(f"{said}; is [{self._prefix}] url right, without a proxy or login page before it?")
        wait_s = retry_after(answer.headers.get("retry-after", ""))
        if status in _WHO:
            secret = f"check user, password_file or token_file in [{self._prefix}]"
            raise TargetTrouble(f"{answer.url} answered {status}: {_WHO[status]}; {secret}", wait_s=wait_s)
        if 300 <= status < 400:
            to = answer.headers.get("location", "elsewhere")
            raise TargetTrouble(f"{answer.url} answered {status}: it sends us to {to}; correct [{self._prefix}] url")
        raise TargetTrouble(
            f"{answer.url} answered {status}: {answer.quoted()}", ambiguous=status >= 500, wait_s=wait_s
        )


def retry_after(value: str) -> float:
    """Return the seconds that a Retry-After header asks for, 0 for none: RFC 9110 section 10.2.3."""
    if value.strip().isdecimal():
        return min(float(value), _LONGEST_WAIT_S)
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:  # none, or one that nobody can read
        return 0.0
    return min(max(0.0, when.timestamp() - time.time()), _LONGEST_WAIT_S)
