"""Line protocol to servers that are none, and to InfluxDB 2 as its documentation describes it: stand-ins of our own."""

from __future__ import annotations

import json
import math
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pantau.sinks import Context
from pantau.sinks.line import LineTable, open_sink
from sinks.frames import frame
from sinks.kit import LOG, registry

LEVEL = ("m", [1.25, 1.5])


def kinds(verdicts):
    return [verdict.kind for verdict in verdicts]


@contextmanager
def answering(answer):
    """`answer(method, path, headers, body) -> (status, content type, body)`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, kind, said = answer(self.command, self.path, self.headers, body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def opened(url, tmp_path, **given):
    return open_sink(LineTable(url=url, lab_plain=True, **given), Context("tng", LOG, tmp_path, registry()))


@pytest.mark.parametrize(
    "status, body",
    [
        (200, b"<html>log in</html>"),
        (200, b"{}"),
        (400, b"<html>bad gateway</html>"),
        (404, b"<html>no such page</html>"),
        (404, b'{"error":"no such thing"}'),
        (500, b'{"error":"engine: cache full"}'),
        (503, b""),
    ],
)
def test_an_answer_that_is_no_verdict_keeps_the_frames(tmp_path, status, body):
    with answering(lambda *_: (status, "text/html", body)) as url:
        sink = opened(url, tmp_path)
        (verdict,) = sink.deliver([frame(1, {"water_level": LEVEL})])
        assert verdict.kind == "retry"
        assert sink.position() is None
        sink.close()


def test_a_batch_that_is_too_large_for_the_server_goes_in_halves(tmp_path):
    bodies = []

    def answer(_method, _path, _headers, body):
        if body.count(b"\n") > 30:
            return 413, "application/json", b'{"error":"Request Entity Too Large"}'
        bodies.append(body)
        return 204, "text/plain", b""

    with answering(answer) as url:
        sink = opened(url, tmp_path)
        assert set(kinds(sink.deliver([frame(n, {"water_level": LEVEL}) for n in range(1, 101)]))) == {"stored"}
        sink.close()
    lines = b"\n".join(bodies).split(b"\n")
    assert len([line for line in lines if line.startswith(b"water_level")]) == 200
    assert lines[-1].startswith(b"pantau_bridge,log=test position=100i ")


def test_influxdb_2_is_spoken_to_as_documented(tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    asked = []

    def answer(_method, path, headers, body):
        asked.append((path, headers["Authorization"], body))
        if path.startswith("/api/v2/query"):
            table = "#group,false\r\n" if b"nothing" in body else ""
            return 200, "text/csv", f"{table},result,table,_value,log\r\n,_result,0,41,test\r\n\r\n".encode()
        if b"water_level,node=bad" in body:
            dropped = body.count(b"water_level,node=bad")
            said = f"failure writing points to database: partial write: field type conflict: ... dropped={dropped}"
            return 422, "application/json", json.dumps({"code": "unprocessable entity", "message": said}).encode()
        return 204, "", b""

    with answering(answer) as url:
        sink = opened(url, tmp_path, api="v2", org="Kota", bucket="air & banjir", token_file=token)
        assert sink.position() == 41
        good, bad = frame(42, {"water_level": LEVEL}), frame(43, {"water_level": LEVEL}, node="bad")
        assert kinds(sink.deliver([good, bad])) == ["stored", "rejected"]
        sink.close()
    assert asked[0][0] == "/api/v2/query?org=Kota"
    assert asked[1][0] == "/api/v2/write?org=Kota&bucket=air+%26+banjir&precision=ms"
    assert {one[1] for one in asked} == {"Token s3cret"}
    assert b'from(bucket: "air & banjir")' in asked[0][2]


def test_numbers_that_are_none_are_rejected_alone(tmp_path):
    bodies = []
    with answering(lambda _m, _p, _h, body: (bodies.append(body), (204, "", b""))[1]) as url:
        sink = opened(url, tmp_path)
        (verdict,) = sink.deliver([frame(1, {"water_level": ("m", [1.0, math.nan, math.inf])})])
        sink.close()
    assert verdict.kind == "rejected" and verdict.reason.startswith("2 of 3 observations: water_level[1]: ")
    assert bodies[0].count(b"water_level") == 1
