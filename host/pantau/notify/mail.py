"""E-mail: one message a notice over SMTP with TLS, in the languages of the control room.

Each recipient is its own matter: who was refused for good is told to the log, who was put off is tried again without the others
getting it twice. All messages of one alert refer to the same first message, so that mail programs show them together.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from pantau.notify import GATHERED, Outcome, text
from pantau.notify.settings import FOR_PEOPLE, ChannelTable
from pantau.problems import ConfigError, Problem
from pantau.settings import FilePath, Port, Secured, read_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from pantau.notify import Channel, Context, Notice

_REFUSED = "!"  # before a recipient in `done` that will never have it
_URGENT = 3  # severe
_QUOTED = 200
_WHERE, _ID = ("Look at it: ", "Lihat: "), ("Notice ", "Pemberitahuan ")
Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,180}$")]
Language = Literal["en", "id"]


def _both() -> list[Language]:
    return ["id", "en"]


class MailTable(ChannelTable, Secured):
    """The mail server and who is written to. STARTTLS, or TLS from the first byte; plain only where `lab_plain` admits it."""

    usual: ClassVar[frozenset[str]] = FOR_PEOPLE

    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Port = 587
    security: Literal["starttls", "tls", "plain"] = "starttls"
    user: str | None = None
    password_file: FilePath | None = None
    sender: Annotated[Address, Field(alias="from")]
    to: Annotated[list[Address], Field(min_length=1, max_length=100)]
    languages: Annotated[list[Language], Field(min_length=1, max_length=2)] = Field(default_factory=_both)
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 20.0
    settle_s: Annotated[int, Field(ge=0, le=3600)] = 120
    per_minute: Annotated[int, Field(ge=1, le=6000)] = 20
    gather_above: Annotated[int, Field(ge=0, le=1000)] = 5

    @field_validator("to")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            msg = "names a recipient twice"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.security == "plain" and not self.lab_plain:
            msg = "security = plain sends alerts and passwords in the clear: use starttls or tls, or set lab_plain = true in a lab"
            raise ValueError(msg)
        if (self.user is None) != (self.password_file is None):
            msg = "user and password_file belong together: give both or none"
            raise ValueError(msg)
        return self


def open_channel(settings: MailTable, context: Context) -> Channel:
    """Return the channel. ConfigError for files that cannot be used."""
    return Mail(settings, context.title)


class Mail:
    """One mail server; a connection a message, for alerts are hours apart."""

    def __init__(self, settings: MailTable, title: str, clock: Callable[[], float] = time.time) -> None:
        self.name = settings.name
        self._settings, self._title, self._clock = settings, title, clock
        self._read_password()
        self._tls = _context(settings)
        self._domain = settings.sender.partition("@")[2]

    def send(self, notice: Notice) -> Outcome:
        """Write to everybody who does not have it yet."""
        asked = [to for to in self._settings.to if to not in notice.done and _REFUSED + to not in notice.done]
        message = self._message(notice).as_bytes()
        try:
            with self._connected() as server:
                refused = server.sendmail(self._settings.sender, asked, message)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except smtplib.SMTPSenderRefused as error:
            return self._answered(notice, error.smtp_code, f"refuses the sender: {_said(error.smtp_error)}")
        except smtplib.SMTPAuthenticationError as error:
            with suppress(ConfigError):  # somebody may have written a new one
                self._read_password()
            return self._later(notice, f"does not accept user and password ({error.smtp_code}); check password_file")
        except smtplib.SMTPResponseException as error:
            return self._answered(notice, error.smtp_code, f"answered {error.smtp_code} {_said(error.smtp_error)}")
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return self._later(notice, _words(error))
        return self._sorted(notice, asked, refused)

    def close(self) -> None:
        """Nothing is open between messages."""

    def _read_password(self) -> None:
        """Read it, at the start and when it was not accepted. Raises ConfigError."""
        path = self._settings.password_file
        self._password = None if path is None else read_secret(path, "password_file")

    def _connected(self) -> smtplib.SMTP:
        """Return the server after greeting, TLS and login. Raises what `send` catches."""
        settings = self._settings
        timeout = settings.timeout_s
        if settings.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(settings.host, settings.port, timeout=timeout, context=self._tls)
        else:
            server = smtplib.SMTP(settings.host, settings.port, timeout=timeout)
        try:
            if settings.security == "starttls":
                server.starttls(context=self._tls)  # SMTPNotSupportedError where it has none: nothing goes in the clear
            if settings.user is not None and self._password is not None:
                server.login(settings.user, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def _sorted(self, notice: Notice, asked: list[str], refused: dict[str, tuple[int, bytes]]) -> Outcome:
        """Return what became of it, recipient by recipient."""
        never = [to for to, (code, _) in refused.items() if code >= 500]
        later = [to for to in refused if to not in never]
        done = (*notice.done, *(to for to in asked if to not in refused), *(_REFUSED + to for to in never))
        said = "; ".join(f"{to}: {code} {_said(text)}" for to, (code, text) in refused.items())
        where = f"mail server {self._settings.host}"
        if later:
            return Outcome("retry", f"{where} puts off {said}", done=done)
        if all(to.startswith(_REFUSED) for to in done):
            return Outcome("refused", f"{where} refuses every recipient: {said}; correct to", done=done)
        missed = [to.removeprefix(_REFUSED) for to in done if to.startswith(_REFUSED)]
        return Outcome("sent", f"not to {', '.join(missed)}: refused {said}" if missed else "", done=done)

    def _answered(self, notice: Notice, code: int, said: str) -> Outcome:
        if code >= 500:
            return Outcome("refused", f"mail server {self._settings.host} {said}", done=notice.done)
        return self._later(notice, said)

    def _later(self, notice: Notice, said: str) -> Outcome:
        where = f"mail server {self._settings.host}:{self._settings.port}"
        return Outcome("retry", f"{where} {said}", done=notice.done)

    def _message(self, notice: Notice) -> EmailMessage:
        settings = self._settings
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"] = settings.sender, ", ".join(settings.to)
        message["Subject"] = text.subject(notice, self._title, settings.languages[0])
        message["Date"] = formatdate(self._clock())
        message["Message-ID"] = f"<{notice.key}.{self.name}@{self._domain}>"
        if notice.alert.id and notice.action != GATHERED:
            message["References"] = f"<{self.name}.alert-{notice.alert.id}-{notice.alert.decided_ms}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine answers
        message["X-Auto-Response-Suppress"] = "All"
        if notice.severity >= _URGENT and not notice.ended:
            message["Importance"] = "high"
        message.set_content("\n".join(self._lines(notice)) + "\n", cte="quoted-printable")
        return message

    def _lines(self, notice: Notice) -> Iterator[str]:
        for number, language in enumerate(self._settings.languages):
            other = language == "id"
            if number:
                yield "\n* * *\n"
            yield "\n".join(text.paragraphs(notice, language))
            for member in notice.members:
                yield f"\n- {member.indonesian if other else member.english}"
            if notice.link:
                yield f"\n{_WHERE[other]}{notice.link}"
            yield f"{_ID[other]}{notice.key}"


def _context(settings: MailTable) -> ssl.SSLContext | None:
    if settings.security == "plain":
        return None
    problems = []
    context = ssl.create_default_context()
    try:
        if settings.ca is not None:
            context = ssl.create_default_context(cafile=str(settings.ca))
    except OSError as error:  # ssl.SSLError is one
        problems.append(
            Problem("", "ca", f"{settings.ca} cannot be used: {error.strerror or error}; it must be a PEM file")
        )
    try:
        if settings.certificate is not None and settings.private_key is not None:
            context.load_cert_chain(settings.certificate, settings.private_key)
    except OSError as error:
        what = f"{settings.certificate} cannot be used: {error.strerror or error}; it must be a PEM file"
        problems.append(Problem("", "certificate", what))
    if problems:
        raise ConfigError(problems)
    return context


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"shows a certificate that does not fit: {error.verify_message}; check host and ca"
    if isinstance(error, ssl.SSLError):
        return f"does not speak TLS as asked ({error.reason}); check port and security"
    if isinstance(error, socket.gaierror):
        return f"has a name that is not known ({error.strerror}); check host and the DNS"
    if isinstance(error, ConnectionRefusedError):
        return "is not there: nothing listens; check host and port"
    if isinstance(error, TimeoutError):
        return "does not answer in time; check the address and the firewall"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"cannot do what is asked: {error}; check security and user"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "broke off; see its log"
    return f"cannot be used: {_said(str(error).encode())}"


def _said(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:_QUOTED]
