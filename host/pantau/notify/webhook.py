"""Webhook: one POST of JSON a notice, signed as Standard Webhooks 1.0 says, so that ready-made libraries can check it.

What the receiver answers decides: 2xx has it. What is about the way, our credentials or the address is tried again, for somebody
can repair it; what is about the notice itself (400, 413, 422, ...) is refused. Redirects are not followed: they would lead
alerts, and the token that goes with them, wherever an answer says.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from pantau.notify import Outcome
from pantau.notify.payload import document
from pantau.notify.settings import ChannelTable
from pantau.problems import ConfigError, Problem
from pantau.settings import FilePath, Secured, read_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    import urllib3

    from pantau.notify import Channel, Context, Notice

_MOST_ANSWER = 1 << 16
_PIECE = 1 << 12
_QUOTED = 200
_IDLE_S = 20.0  # what lay idle for longer may be dead without a word, and an alert must not wait to find out
_LATER = frozenset({401, 402, 403, 404, 407, 408, 421, 423, 425, 426, 429, 451})
_PREFIX = "whsec_"
_LEAST_SECRET = 16


class WebhookTable(ChannelTable, Secured):
    """Where to post. `secret_file` signs; `token_file` is sent as Bearer to receivers that ask for one."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s#]*)?$", max_length=2000)]
    secret_file: FilePath | None = None
    token_file: FilePath | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        if "@" in value.split("/")[2]:
            msg = "must hold no user or password: it would stand in every message about the channel; give token_file"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.url.startswith("http://") and not self.lab_plain:
            msg = "url is plain http: use https, or set lab_plain = true for a receiver on this machine or in a laboratory"
            raise ValueError(msg)
        return self


def open_channel(settings: WebhookTable, context: Context) -> Channel:
    """Return the channel. ConfigError for secrets that cannot be used."""
    del context
    return Webhook(settings)


def signature(secret: bytes, key: str, timestamp: int, body: bytes) -> str:
    """Return what stands in webhook-signature."""
    signed = b".".join((key.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def secret_of(text: str) -> bytes:
    """Return the bytes of a secret: whsec_ and base64, else the text itself. ValueError when it is none or too short."""
    try:
        found = (
            base64.b64decode(text.removeprefix(_PREFIX), validate=True) if text.startswith(_PREFIX) else text.encode()
        )
    except binascii.Error:
        msg = f"begins with {_PREFIX} but does not go on with base64"
        raise ValueError(msg) from None
    if len(found) < _LEAST_SECRET:
        msg = f"has {len(found)} bytes; a secret has {_LEAST_SECRET} at least"
        raise ValueError(msg)
    return found


class Webhook:
    """One receiver, on a connection that is kept open."""

    def __init__(self, settings: WebhookTable, clock: Callable[[], float] = time.time) -> None:
        import urllib3  # here: not every command needs it

        self.name = settings.name
        self._settings, self._clock = settings, clock
        self._used_at = 0.0
        self._read_secrets()
        parts = urlsplit(settings.url)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._where = f"{parts.scheme}://{parts.netloc}{parts.path}"  # without the query, in which people put keys
        self._tls: dict[str, Any] = {
            "ca_certs": None if settings.ca is None else str(settings.ca),
            "cert_file": None if settings.certificate is None else str(settings.certificate),
            "key_file": None if settings.private_key is None else str(settings.private_key),
        }
        try:
            self._pool = self._fresh()
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise ConfigError([Problem("", "url", f"is no address: {error}")]) from None

    def _read_secrets(self) -> None:
        """Read them, at the start and when they were not accepted. Raises ConfigError."""
        settings = self._settings
        self._secret: bytes | None = None
        self._headers = {"User-Agent": "pantau", "Content-Type": "application/json"}
        if settings.secret_file is not None:
            try:
                self._secret = secret_of(read_secret(settings.secret_file, "secret_file"))
            except ValueError as error:
                raise ConfigError([Problem("", "secret_file", f"{settings.secret_file} {error}")]) from None
        if settings.token_file is not None:
            token = read_secret(settings.token_file, "token_file")
            if not token.isascii():
                what = f"{settings.token_file} holds characters that no header can; a token is ASCII"
                raise ConfigError([Problem("", "token_file", what)])
            self._headers["Authorization"] = f"Bearer {token}"

    def send(self, notice: Notice) -> Outcome:
        """Post it once."""
        body = json.dumps(document(notice), ensure_ascii=False, separators=(",", ":")).encode()
        at = int(self._clock())
        headers = self._headers | {
            "Idempotency-Key": notice.key,
            "webhook-id": notice.key,
            "webhook-timestamp": str(at),
        }
        if self._secret is not None:
            headers["webhook-signature"] = signature(self._secret, notice.key, at, body)
        return self._post(body, headers)

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()

    def _fresh(self) -> urllib3.HTTPConnectionPool:
        import urllib3

        url = self._settings.url
        return urllib3.connection_from_url(url, maxsize=1, **(self._tls if url.startswith("https:") else {}))

    def _post(self, body: bytes, headers: dict[str, str]) -> Outcome:
        import urllib3

        limit_s = self._settings.timeout_s
        began = time.monotonic()
        if began - self._used_at > _IDLE_S:
            self._pool.close()
            self._pool = self._fresh()
        self._used_at = began
        try:
            answer = self._pool.urlopen(
                "POST", self._target, body=body, headers=headers, retries=False, redirect=False, preload_content=False,
                timeout=urllib3.Timeout(connect=min(5.0, limit_s), read=limit_s),
            )  # fmt: skip
        except urllib3.exceptions.NameResolutionError:
            return Outcome("retry", f"the name in {self._where} is not known; check url and the DNS")
        except urllib3.exceptions.NewConnectionError:
            return Outcome("retry", f"nothing listens at {self._where}; start the receiver or correct url")
        except urllib3.exceptions.ConnectTimeoutError:
            return Outcome("retry", f"{self._where} cannot be reached; check the address and the firewall")
        except urllib3.exceptions.SSLError as error:
            return Outcome("retry", f"{self._where}: TLS: {error}; check url and ca")
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return Outcome("retry", f"{self._where} did not answer: {type(error).__name__}")
        try:
            said = self._read(answer, began + limit_s)
        finally:
            answer.close() if answer.connection is not None else answer.release_conn()
        return self._judge(answer, said)

    def _read(self, answer: urllib3.BaseHTTPResponse, until: float) -> bytes:
        """Return the beginning of the answer. Its status has come: what is wrong with the rest changes nothing."""
        import urllib3

        pieces: list[bytes] = []
        with suppress(urllib3.exceptions.HTTPError, OSError, ValueError):
            while time.monotonic() < until and sum(map(len, pieces)) < _MOST_ANSWER and (piece := answer.read1(_PIECE)):
                pieces.append(piece)
        return b"".join(pieces)

    def _judge(self, answer: urllib3.BaseHTTPResponse, said: bytes) -> Outcome:
        from pantau.sinks._http import retry_after

        status = answer.status
        if 200 <= status < 300:
            return Outcome("sent", str(status))
        if 300 <= status < 400:
            return Outcome(
                "retry", f"{self._where} answered {status}: it sends us elsewhere, where we do not go; correct url"
            )
        text = "".join(c for c in " ".join(said[: 4 * _QUOTED].decode("utf-8", "replace").split()) if c.isprintable())
        reason = f"{self._where} answered {status}: {text[:_QUOTED]!r}"
        if status in _LATER or status >= 500:
            if status in {401, 403}:
                with suppress(ConfigError):  # somebody may have written new ones
                    self._read_secrets()
            hint = "; check token_file, secret_file and url" if status in {401, 403, 404} else ""
            return Outcome("retry", reason + hint, retry_after(answer.headers.get("retry-after", "")))
        return Outcome("refused", reason)
