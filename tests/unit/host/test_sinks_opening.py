"""What a sink is opened with: addresses and secrets that cannot be used are said, and shown to nobody."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from pantau import natslink
from pantau.decode import Decoded
from pantau.natslink import NatsLink
from pantau.problems import ConfigError
from pantau.settings import read_secret
from pantau.sinks import Context, Verdict
from pantau.sinks._http import Http, HttpTable
from pantau.sinks.kept import Kept
from pantau.sinks.opening import open_apart
from pantau.sinks.sensorthings import SensorThingsTable
from sinks.kit import registry

FRAME = Decoded(1, "flood-01", 1, 1, 0)


@pytest.mark.parametrize(
    "url", ["https://host:99999", "https://:80/x", "https://[::1/", "https://ho%zz", "https://host:abc"]
)
def test_an_address_that_is_none_is_said_when_the_configuration_is_read(url):
    with pytest.raises(ValidationError, match="is no address"):
        HttpTable(url=url)


def test_a_url_holds_no_password_for_it_stands_in_messages():
    with pytest.raises(ValidationError, match="user and password_file") as said:
        HttpTable(url="https://bridge:geheim@db.example/x")
    assert "geheim" not in str(said.value)
    assert HttpTable(url="https://[::1]:8443/a@b").url.endswith("/a@b")


@pytest.mark.parametrize("text", ["", "\n", "geheim\nzwei\n", "ge\theim"])
def test_a_secret_is_one_line_for_the_header_that_refuses_it_would_quote_it(tmp_path, text):
    file = tmp_path / "token"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="on one line") as said:
        read_secret(file, "sinks.line.token_file")
    assert "geheim" not in str(said.value)


def test_a_token_is_ascii_and_a_password_may_be_any_text(tmp_path):
    file = tmp_path / "secret"
    file.write_text("ge’heim")
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="ASCII") as said:
        Http(HttpTable(url="https://db.example", token_file=file), "sinks.line")
    assert "heim" not in str(said.value)
    Http(HttpTable(url="https://db.example", user="bridge", password_file=file), "sinks.line").close()


def test_a_memory_that_is_damaged_is_begun_anew(tmp_path, caplog):
    kept = Kept(tmp_path, "nats")
    kept.put("stream", {str(n): "x" * 400 for n in range(100)})
    kept.close()
    file = tmp_path / "nats.sqlite3"
    whole = file.read_bytes()
    for damaged in (b"no database at all", whole[:8192] + bytes(len(whole) - 8192)):
        file.write_bytes(damaged)
        again = Kept(tmp_path, "nats")
        assert again.all("stream") == {}
        again.close()
    assert caplog.text.count("sink.memory_damaged") == 2


def test_a_memory_that_is_locked_or_not_ours_holds_up_its_own_sink_alone(tmp_path):
    """The folder is a file until somebody sets it right; then the sink opens, and is asked for its position first."""
    folder = tmp_path / "sinks"
    folder.write_text("in the way")
    table = SensorThingsTable(url="http://127.0.0.1:9/v1.1", lab_plain=True)
    config = SimpleNamespace(sinks=SimpleNamespace(sensorthings=table))
    sink = open_apart("sensorthings", config, Context("tng", "test", folder, registry()))
    assert sink.position() is None and sink.figures() == {}
    sink.use(registry())
    (said,) = sink.deliver([FRAME])
    assert said.kind == "retry" and str(folder) in said.reason and "look at" in said.reason
    folder.unlink()
    assert sink.deliver([FRAME])[0] == Verdict("retry", "opened")
    assert "nothing listens" in sink.deliver([FRAME])[0].reason
    sink.close()


def test_a_seed_that_is_none_is_trouble_in_words(tmp_path):
    pytest.importorskip("nkeys")
    seed = tmp_path / "seed"
    seed.write_text("SUgeheim")
    seed.chmod(0o600)

    async def greet(_reader, writer):
        writer.write(
            b'INFO {"server_id":"x","version":"2.11.0","max_payload":1,"auth_required":true,"nonce":"abc"}\r\n'
        )

    async def run():
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            link = NatsLink(servers=[f"nats://127.0.0.1:{port}"], lab_plain=True, nkey_file=seed)
            await natslink.connect(link, "sinks.nats", "test")

    with pytest.raises(OSError, match=r"seed.* check the server and \[sinks.nats\]") as said:
        asyncio.run(run())
    assert "geheim" not in str(said.value)
