"""[notify] in pantau.toml: mistakes in words, changes taken over, secrets known as such."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from pantau import reload
from pantau.config import Config
from pantau.keys import Keys
from pantau.notify.settings import ChannelTable, QuietTable
from pantau.ops import backup
from pantau.registry import Registry
from pantau.reload import Setup
from unit.alerts import alert_kit

HOOK = {"name": "desk", "url": "https://hook.example/x?key=hidden"}
MAIL = {"name": "post", "host": "mail.example", "from": "a@b.example", "to": ["c@d.example"]}


def config(folder, **notify) -> Config:
    bridge = {"city": "tng", "data_dir": str(folder)}
    return Config.model_validate({"bridge": bridge, "mqtt": {"host": "x"}, "notify": notify}, context={"base": folder})


DOC = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text(encoding="utf-8")


def test_the_example_of_the_docs_is_one_and_every_key_is_explained(tmp_path):
    tables = tomllib.loads(re.search(r"```toml\n(.*?)```", DOC, re.DOTALL)[1])
    found = config(tmp_path, **tables["notify"])
    assert [table.name for _, _, table in found.notify.listed()] == ["call-centre", "duty-mail", "head-mail", "screens"]
    keys = {
        field.alias or name for name, field in [*ChannelTable.model_fields.items(), *QuietTable.model_fields.items()]
    }
    assert {key for key in keys if f"`{key}`" not in DOC} == set()


def test_two_channels_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValidationError, match="2 channels are named desk"):
        config(tmp_path, webhook=[HOOK], mail=[MAIL | {"name": "desk"}])


@pytest.mark.parametrize(
    "url", ["http://hook.example/", "https://user:pw@hook.example/", "ftp://hook.example/", "https://", "https://a b/"]
)
def test_an_address_that_is_none_or_not_safe_is_refused(tmp_path, url):
    with pytest.raises(ValidationError) as found:
        config(tmp_path, webhook=[HOOK | {"url": url}])
    assert "pw" not in str(found.value)


def test_a_running_bridge_takes_channels_over_and_says_no_secret(tmp_path):
    rules = alert_kit.rules(alert_kit.LEVEL)
    old, new = (
        Setup(config(tmp_path, webhook=hooks), Registry([], []), Keys({}), rules)
        for hooks in ([HOOK], [HOOK | {"min_severity": "severe"}])
    )  # fmt: skip
    found = reload.plan(old, new)
    assert [str(change) for change in found.changes] == ["notify.webhook: changed"] and not found.waiting
    assert found.setup.config.notify == new.config.notify


def test_a_backup_has_the_channels_secrets_as_such_and_takes_notices_before_alerts(tmp_path):
    found = config(
        tmp_path, webhook=[HOOK | {"secret_file": "hook.secret"}], mail=[MAIL | {"user": "u", "password_file": "p"}]
    )
    named = dict(backup.named_files(found))
    assert named["notify.webhook.0.secret_file"] == tmp_path / "hook.secret"
    assert all(backup._secret(key) for key in named if key.startswith("notify."))
    for name in ("alerts", "notices", "followers", "city", "spool"):
        (tmp_path / f"{name}.sqlite3").touch()
    order = [path.stem for path in backup._stores(found)]
    assert order.index("notices") < order.index("alerts") < order.index("spool") and order[-1] == "spool"
