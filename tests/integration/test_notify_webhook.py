"""The webhook against real receivers: over TLS, signed, and whatever they answer."""

from __future__ import annotations

import contextlib
import json
import signal
import ssl
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from integration.test_bridge_tls import certify
from pantau.notify.reads import NoticeReader
from pantau.notify.webhook import WebhookTable, open_channel, secret_of, signature
from pantau.problems import ConfigError
from pantau_sim.servers import free_port
from unit.notify.notify_kit import CONTEXT, notice
from unit.notify.test_notify_text import EVIL, JUDGE

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # that of the standard's own example


class Receiver:
    """A real HTTP server; `answer` is what it does with each request, `got` what it was sent."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer = lambda request: request.reply(204)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, dict(self.headers), body))
                with contextlib.suppress(OSError):
                    receiver.answer(self)

            def do_GET(self):
                receiver.got.append((self.path, {}, b""))
                self.reply(200)

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a client that goes away is what is tested

        self.server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://localhost:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver():
    with closing(Receiver()) as found:
        yield found


def channel(url: str, **more):
    table = WebhookTable.model_validate({"name": "hook", "url": url, "lab_plain": url.startswith("http:")} | more)
    return closing(open_channel(table, CONTEXT))


def test_the_signature_is_that_of_the_standard():
    signed = signature(secret_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_notice_arrives_over_tls_whole_signed_and_under_its_key(tmp_path):
    ca = certify(tmp_path, "ca")
    certify(tmp_path, "server", ca)
    certify(tmp_path, "stranger")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    for name, text in (("secret", SECRET), ("token", "t0ken")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    said = notice(place=EVIL)
    with closing(Receiver(context)) as server:
        secrets = {"secret_file": tmp_path / "secret", "token_file": tmp_path / "token"}
        with channel(server.url + "?a=b", ca=tmp_path / "ca.pem", **secrets) as hook:
            assert hook.send(said).kind == "sent"
            assert hook.send(said).kind == "sent"
        with channel(server.url, ca=tmp_path / "stranger.pem") as hook:
            found = hook.send(said)
            assert found.kind == "retry" and "TLS" in found.reason
    (path, headers, body), again = server.got
    assert (
        path == "/hook?a=b"
        and headers["Content-Type"] == "application/json"
        and headers["Authorization"] == "Bearer t0ken"
    )
    assert headers["Idempotency-Key"] == headers["webhook-id"] == again[1]["webhook-id"] == said.key
    assert headers["webhook-signature"] == signature(
        secret_of(SECRET), said.key, int(headers["webhook-timestamp"]), body
    )
    JUDGE.validate(json.loads(body))
    assert json.loads(body)["place"]["name"] == EVIL.name


@pytest.mark.parametrize(
    "status,headers,kind,wait_s",
    [(200, {}, "sent", 0), (202, {}, "sent", 0), (400, {}, "refused", 0), (413, {}, "refused", 0), (422, {}, "refused", 0),
     (401, {}, "retry", 0), (404, {}, "retry", 0), (408, {}, "retry", 0), (425, {}, "retry", 0), (500, {}, "retry", 0),
     (429, {"Retry_After": "7"}, "retry", 7), (503, {"Retry_After": "99999999"}, "retry", 600),
     (302, {"Location": "/elsewhere"}, "retry", 0), (307, {"Location": "/elsewhere"}, "retry", 0)],
)  # fmt: skip
def test_what_the_receiver_answers_decides(receiver, status, headers, kind, wait_s):
    receiver.answer = lambda request: request.reply(status, b"because \x1b[2J\n of this", **headers)
    with channel(receiver.url) as hook:
        found = hook.send(notice())
    assert (found.kind, found.wait_s) == (kind, wait_s)
    assert found.reason.isprintable() and str(status) in found.reason
    assert [path for path, _, _ in receiver.got] == ["/hook"]  # a redirect is not followed


def endless(request):
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b"x" * 65536)


def silent(gate):
    return lambda _request: gate.wait(10)


def test_garbage_silence_and_answers_without_end_are_bounded(receiver):
    gate = threading.Event()
    answers = [
        (lambda request: request.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n"), "retry"),
        (lambda request: request.connection.shutdown(2), "retry"), (endless, "sent"), (silent(gate), "retry"),
    ]  # fmt: skip
    with channel(receiver.url, timeout_s=0.3) as hook:
        for answer, kind in answers:
            receiver.answer = answer
            assert hook.send(notice()).kind == kind
        gate.set()
        receiver.answer = lambda request: request.reply(204)
        assert hook.send(notice()).kind == "sent"


@pytest.mark.parametrize(
    "url,said",
    [("https://nowhere.invalid/x", "the name in https://nowhere.invalid/x is not known"), ("http://127.0.0.1:{port}/x?key=1", "nothing listens at")],
)  # fmt: skip
def test_who_is_not_there_is_tried_again_and_the_query_stays_secret(url, said):
    with channel(url.format(port=free_port())) as hook:
        found = hook.send(notice())
    assert found.kind == "retry" and said in found.reason and "key=1" not in found.reason


def test_a_new_token_is_taken_up_without_a_restart(receiver, tmp_path):
    token = tmp_path / "token"
    token.write_text("old")
    token.chmod(0o600)
    good = "Bearer new"
    receiver.answer = lambda request: request.reply(204 if request.headers["Authorization"] == good else 401)
    with channel(receiver.url, token_file=token) as hook:
        assert "check token_file" in hook.send(notice()).reason
        token.write_text("new")
        assert [hook.send(notice()).kind for _ in range(2)] == ["retry", "sent"]


@pytest.mark.parametrize("text,said", [("short", "16 at least"), ("whsec_???", "base64"), ("two\nlines", "one line")])
def test_a_secret_that_is_none_is_refused_at_the_check(tmp_path, text, said):
    path = tmp_path / "secret"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=said) as error:
        channel("https://hook.example/", secret_file=path)
    assert "???" not in str(error.value)


def test_after_kill_9_between_telling_and_noting_it_is_told_once_more_under_the_same_key(tmp_path, receiver):
    arrived, gate = threading.Event(), threading.Event()

    def hold(request):
        arrived.set()
        gate.wait(30)
        request.reply(204)

    receiver.answer = hold
    script = Path(__file__).with_name("notify_process.py")
    command = [sys.executable, str(script), str(tmp_path), receiver.url]
    process = subprocess.Popen(command)
    assert arrived.wait(30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    gate.set()
    subprocess.run(command, check=True, timeout=40)
    first, second = (json.loads(body) for _, _, body in receiver.got)
    assert first["id"] == second["id"] and first["type"] == "alert.open"
    with closing(NoticeReader(tmp_path / "notices.sqlite3")) as reader:
        assert [one.outcome for one in reader.log()] == ["sent", "unknown"]
