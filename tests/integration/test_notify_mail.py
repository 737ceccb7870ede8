"""E-mail against a real SMTP server with TLS and login: who gets what, and what is done when somebody does not."""

from __future__ import annotations

import ssl
from contextlib import closing
from email import message_from_bytes, policy
from types import SimpleNamespace

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from pydantic import ValidationError

from integration.test_bridge_tls import certify
from pantau.notify import compose
from pantau.notify.mail import MailTable, open_channel
from pantau.notify.text import paragraphs
from pantau_sim.servers import free_port
from unit.notify.notify_kit import CONTEXT, T0, notice, waiting
from unit.notify.test_notify_text import EVIL

DUTY, SECOND, OTHER = "duty@city.example", "second@city.example", "third@city.example"
PASSWORD = "a secret of the mail server"


class Inbox:
    """What the server was given; `says` are its answers to recipients, `takes` that to the message."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], bytes]] = []
        self.says: dict[str, str] = {}
        self.takes = "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        said = self.says.get(address, "250 OK")
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, _server, _session, envelope):
        if self.takes.startswith("250"):
            self.mails.append((envelope.rcpt_tos, envelope.content))
        return self.takes

    def read(self, number: int = -1):
        return message_from_bytes(self.mails[number][1], policy=policy.default)


def authenticate(_server, _session, _envelope, _mechanism, data) -> AuthResult:
    good = (data.login, data.password) == (b"pantau", PASSWORD.encode())
    return AuthResult(success=good, handled=False)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    ca = certify(folder, "ca")
    certify(folder, "server", ca)
    certify(folder, "stranger")
    return folder


@pytest.fixture
def server(certificates, tmp_path):
    """A server that wants STARTTLS and a login."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)
    inbox = Inbox()
    controller = Controller(
        inbox, "127.0.0.1", free_port(), tls_context=context, require_starttls=True, auth_required=True,
        authenticator=authenticate, server_hostname="mail.test",
    )  # fmt: skip
    controller.start()
    table = {"host": "localhost", "port": controller.port, "ca": certificates / "ca.pem", "user": "pantau", "password_file": tmp_path / "password"}  # fmt: skip
    yield SimpleNamespace(inbox=inbox, table=table, controller=controller)
    controller.stop()


def channel(**more):
    table = {"name": "post", "from": "pantau@city.example", "to": [DUTY, SECOND, OTHER], "timeout_s": 5.0} | more
    return closing(open_channel(MailTable.model_validate(table), CONTEXT))


def test_a_notice_arrives_in_both_languages_and_no_name_becomes_a_header(server):
    said = notice(place=EVIL)
    with channel(**server.table) as post:
        found = post.send(said)
        assert found.kind == "sent" and set(found.done) == {DUTY, SECOND, OTHER}
        assert post.send(notice(2, "clear", place=EVIL)).kind == "sent"
    (to, _), _ = server.inbox.mails
    assert to == [DUTY, SECOND, OTHER]
    mail, end = server.inbox.read(0), server.inbox.read(1)
    assert mail["Message-ID"] == f"<{said.key}.post@city.example>" and mail["Bcc"] is None
    assert mail["References"] == end["References"] and mail["Message-ID"] != end["Message-ID"]
    assert (mail["Auto-Submitted"], mail["Importance"], end["Importance"]) == ("auto-generated", "high", None)
    assert mail["Subject"].startswith("[Kota Tangerang] Open: Tinggi muka air, Kali Bcc: x@evil.example")
    text = mail.get_content().replace("\r\n", "\n")
    places = [
        text.index(f"\n{paragraph}\n") for language in ("id", "en") for paragraph in paragraphs(said, language)[1:]
    ]
    assert places == sorted(places) and len(places) == 2
    assert (
        text.startswith(paragraphs(said, "id")[0])
        and text.index("Look at it: https://pantau.example/#/alerts/1") > places[1]
    )
    assert mail.get_content_type() == "text/plain" and max(map(len, server.inbox.mails[0][1].splitlines())) < 998


def test_many_are_one_mail(server):
    rows = [waiting(1, severity=2), waiting(2, severity=4, alert=2)]
    with channel(languages=["en"], **server.table) as post:
        assert post.send(compose.notice(rows, "tng-many", CONTEXT, T0)).kind == "sent"
    mail = server.inbox.read()
    assert mail["Subject"] == "[Kota Tangerang] 2 notices, worst extreme" and mail["References"] is None
    assert mail.get_content().count("\n- Open: Water level") == 2 and "Tinggi" not in mail.get_content()


def test_one_recipient_that_is_refused_keeps_nobody_else_from_it(server):
    server.inbox.says = {SECOND: "550 5.1.1 no such user"}
    with channel(**server.table) as post:
        found = post.send(notice())
    assert found.kind == "sent" and "not to second@city.example" in found.reason and "550" in found.reason
    assert server.inbox.mails[0][0] == [DUTY, OTHER]


def test_who_was_put_off_gets_it_later_and_the_others_not_twice(server):
    server.inbox.says = {SECOND: "450 4.2.1 busy", OTHER: "550 5.1.1 no such user"}
    with channel(**server.table) as post:
        first = post.send(notice())
        assert first.kind == "retry" and "450" in first.reason
        server.inbox.says = {}
        assert post.send(notice(done=first.done)).kind == "sent"
    assert [to for to, _ in server.inbox.mails] == [[DUTY], [SECOND]]


@pytest.mark.parametrize(
    "says,takes,kind,said",
    [(dict.fromkeys((DUTY, SECOND, OTHER), "550 no"), "250 OK", "refused", "refuses every recipient"),
     (dict.fromkeys((DUTY, SECOND, OTHER), "451 later"), "250 OK", "retry", "puts off"),
     ({}, "554 5.7.1 spam", "refused", "554"), ({}, "452 4.3.1 disk full", "retry", "disk full")],
)  # fmt: skip
def test_what_the_server_answers_decides(server, says, takes, kind, said):
    server.inbox.says, server.inbox.takes = says, takes
    with channel(**server.table) as post:
        found = post.send(notice())
    assert found.kind == kind and said in found.reason and server.inbox.mails == []


def test_a_server_that_is_not_the_one_or_not_there_is_tried_again_in_words(server, certificates, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("another secret")
    wrong.chmod(0o600)
    cases = [
        ({"ca": certificates / "stranger.pem"}, "certificate that does not fit"),
        ({"password_file": wrong}, "does not accept user and password"),
        ({"security": "tls"}, "does not speak TLS as asked"),
        ({"port": free_port()}, "nothing listens"),
        ({"host": "nowhere.invalid"}, "name that is not known"),
    ]  # fmt: skip
    for more, said in cases:
        with channel(**server.table | more) as post:
            found = post.send(notice())
        assert found.kind == "retry" and said in found.reason, found
        assert "secret" not in found.reason
    assert server.inbox.mails == []


def test_nothing_goes_in_the_clear_to_a_server_without_tls(certificates):
    inbox = Inbox()
    controller = Controller(inbox, "127.0.0.1", free_port())
    controller.start()
    try:
        with channel(host="127.0.0.1", port=controller.port) as post:
            found = post.send(notice())
            assert found.kind == "retry" and "STARTTLS" in found.reason and inbox.mails == []
        with channel(host="127.0.0.1", port=controller.port, security="plain", lab_plain=True) as post:
            assert post.send(notice()).kind == "sent"
    finally:
        controller.stop()


@pytest.mark.parametrize(
    "wrong,said",
    [({"security": "plain"}, "lab_plain"), ({"to": []}, "at least 1"), ({"to": [DUTY, DUTY]}, "twice"), ({"user": "x"}, "password_file"),
     ({"to": ["x@y.example\nBcc: z@y.example"]}, "pattern"), ({"from": "Pantau <p@y.example>"}, "pattern")],
)  # fmt: skip
def test_a_wrong_table_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        channel(**{"host": "localhost"} | wrong)
