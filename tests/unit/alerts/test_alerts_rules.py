from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pantau.alerts import files
from pantau.cli import pantau
from pantau.problems import ConfigError
from unit.alerts import alert_kit as kit

WRONG = """
colour = "red"
[settings]
zone = "JST"
[[rule]]
id = "Level 1"
kind = "treshold"
[[rule]]
id = "level"
kind = "threshold"
name = "Level"
name_id = "Muka air"
property = "water_levle"
hysteresys = 0.1
readings = 5
levels = [{value = 2, severity = "minor"}, {value = 1, severity = "grave"}]
[[rule]]
id = "level"
kind = "rise"
name = "Rise"
name_id = "Naik"
property = "water_levle"
levels = [{value = 1, severity = "severe"}]
[rule.where]
stations = ["angke-hulu", "agke"]
[[rule]]
id = "alarm"
kind = "node_alarm"
name = "Alarm"
name_id = "Alarm"
confirmed_by = ["levle"]
[[rule]]
id = "fault"
kind = "fault"
name = "Fault"
name_id = "Gangguan"
properties = ["pm2_5", "pm25"]
levels = [{value = 50, severity = "minor"}, {value = 40, severity = "severe"}]
[[rule]]
id = "one"
kind = "threshold"
name = "One"
name_id = "Satu"
property = "pm2_5"
readings = 1
of = 1
levels = [{value = 50, severity = "minor"}]
"""


def mistakes(text: str, stations=None) -> dict[str, str]:
    import tomllib

    with pytest.raises(ConfigError) as caught:
        files.check(Path("alerts.toml"), tomllib.loads(text), stations)
    return {problem.key: problem.message for problem in caught.value.problems}


def test_every_mistake_is_told_at_once_with_its_place_and_a_suggestion():
    found = mistakes(WRONG, stations=["angke-hulu", "angke-hilir", "agke-x"])
    assert set(found) == {
        "colour", "settings.zone", "rule[0].kind", "rule[1].hysteresys", "rule[1].levels[1].severity", "rule[1].id",
        "rule[2].id", "rule[2].property", "rule[2].where.stations[1]", "rule[3].confirmed_by[0]",
        "rule[4]", "rule[5]",
    }  # fmt: skip
    assert found["rule[0].kind"] == "unknown kind treshold; did you mean threshold?"
    assert "did you mean hysteresis?" in found["rule[1].hysteresys"]
    assert "did you mean water_level?" in found["rule[2].property"]
    assert "did you mean agke-x?" in found["rule[2].where.stations[1]"]
    assert "did you mean level?" in found["rule[3].confirmed_by[0]"]
    assert "must rise from level to level" in found["rule[4]"]
    assert 'qualities = ["good"]' in found["rule[5]"]


@pytest.mark.parametrize("flag", ["fail", "missing"])
def test_no_rule_can_ask_for_failed_readings(flag):
    found = mistakes(kit.LEVEL.replace('["good"]', f'["good", "{flag}"]'))
    assert list(found) == ["rule[0].qualities[1]"]


def test_a_rule_that_is_no_table_is_a_mistake_and_no_crash():
    assert set(mistakes("rule = 3")) == {"rule"}
    assert set(mistakes("rule = [1]")) == {"rule"}
    assert set(mistakes('settings = 1\nrule = [{kind = ["x"], id = {}}]')) == {"settings", "rule[0].kind"}


def test_the_shipped_rules_are_whole_and_the_page_explains_each_key():
    found = files.defaults()
    assert {rule.kind for rule in found.rules.values()} == {
        "threshold", "rise", "rain", "late", "fault", "battery", "node_alarm",
    }  # fmt: skip
    page = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")
    for model in (*files.KINDS.values(), files.Settings):
        for name in model.model_fields:
            assert re.search(rf"`{name}`", page), f"docs/alerts.md does not explain {name} of {model.__name__}"


def test_a_rule_that_is_switched_off_is_not_there_and_selectors_select():
    off = kit.rules(kit.LEVEL.replace('kind = "threshold"', 'kind = "threshold"\nenabled = false'))
    assert off.rules == {}
    some = kit.rules(kit.LEVEL + '[rule.where]\ndomains = ["flood"]\nexcept_stations = ["b"]\n')
    assert [bool(some.at(*place)) for place in (("a", "flood"), ("b", "flood"), ("a", "air"))] == [True, False, False]


def test_the_command_says_mistakes_and_exits_2(tmp_path):
    path = tmp_path / "alerts.toml"
    path.write_text(WRONG)
    said = CliRunner().invoke(pantau, ["alerts", "rules", "check", str(path)])
    assert said.exit_code == 2 and "11 to correct" in said.output and "rule[3].confirmed_by[0]" in said.output
    path.write_text(kit.LEVEL)
    said = CliRunner().invoke(pantau, ["alerts", "rules", "check", str(path)])
    assert said.exit_code == 0 and "1 rules, all well" in said.output
