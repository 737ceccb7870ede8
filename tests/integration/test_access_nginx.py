"""docs/access.md's nginx before the bridge: HTTPS outside, who asks and by which scheme is believed, the live stream flows."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
import uvicorn

import needs
from city_rig import City
from integration.bridge_env import free_port
from pantau.access.model import ANYBODY, Role

PASSWORD = "four small words here"
DOC = Path(__file__).parents[2] / "docs" / "access.md"


def wait_for_port(port, process):
    """Return once something listens."""
    until_s = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < until_s:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.05)
    pytest.fail(f"nothing listens on {port}")


@pytest.fixture
def proxied(tmp_path):
    nginx, openssl = needs.need("nginx", "nginx"), needs.need("openssl", "openssl")
    port, behind = free_port(), free_port()
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "pantau.key", "-out", "pantau.pem"]
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    server = re.search(r"```nginx\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)[1]
    server = server.replace("/etc/ssl/", f"{tmp_path}/").replace("listen 443", f"listen 127.0.0.1:{port}")
    server = server.replace("127.0.0.1:8080", f"127.0.0.1:{behind}")
    temporary = "".join(
        f"{kind}_temp_path {tmp_path};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = f"daemon off; master_process off; pid {tmp_path}/pid; error_log stderr;\nevents {{}}\n"
    (tmp_path / "nginx.conf").write_text(conf + f"http {{ access_log off; {temporary}\n{server} }}\n")
    city = City(tmp_path)
    city.access.add_person("duty", PASSWORD, Role.OPERATOR, ANYBODY, city.now_s * 1000)
    settings = uvicorn.Config(
        city.app, port=behind, log_level="warning", proxy_headers=True, forwarded_allow_ips=["127.0.0.1"]
    )
    bridge = uvicorn.Server(settings)
    thread = threading.Thread(target=bridge.run)
    thread.start()
    front = subprocess.Popen([nginx, "-p", tmp_path, "-e", "stderr", "-c", tmp_path / "nginx.conf"])
    trust = ssl.create_default_context(cafile=tmp_path / "pantau.pem")
    for at in (behind, port):
        wait_for_port(at, front)
    client = http.client.HTTPSConnection("localhost", port, timeout=10, context=trust)
    yield client, city
    client.close()
    front.terminate()
    front.wait(10)
    city.app.state.hub.close()
    bridge.should_exit = True
    thread.join()
    city.close()


@pytest.mark.long
def test_behind_nginx_as_the_page_says_one_logs_in_by_https_and_the_stream_flows(proxied):
    client, city = proxied
    forged = {"x-pantau": "1", "x-forwarded-for": "203.0.113.9", "content-type": "application/json"}
    client.request("POST", "/api/session", json.dumps({"name": "duty", "password": PASSWORD}), forged)
    answer = client.getresponse()
    assert json.load(answer)["name"] == "duty"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-pantau=") and "Secure" in cookie and "strict-transport-security" in answer.headers
    assert city.access.log(1)[0].address == "127.0.0.1"  # the proxy's word, not the client's
    client.request("GET", "/api/session", headers={"cookie": cookie.partition(";")[0]})
    assert json.load(client.getresponse())["name"] == "duty"
    client.request("GET", "/api/events")
    assert client.getresponse().readline() == b"retry: 3000\n"
