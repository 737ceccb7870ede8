"""What a sink is opened with: addresses and secrets that cannot be used are said, and shown to nobody."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pantau.problems import ConfigError
from pantau.sinks._http import Http, HttpTable, read_secret


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
