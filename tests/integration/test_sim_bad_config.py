"""No value of the first configuration keeps a node from coming up, measuring and saying what is wrong: the whole node, each once."""

from pathlib import Path
from typing import Any

import pytest

from integration.test_sim_orders import Street
from needs import need_vm
from pantau_wire import names as T

SHT = {"model": "sht4x", "i2c": 0}
UNHEARD = "the frames go elsewhere"  # a wrong city or link: there is nobody to see them, but the node must live
CASES: list[tuple[dict[str, Any], str]] = [
    ({"city": "Tangerang"}, UNHEARD),
    ({"city": ""}, UNHEARD),
    ({"city": 5}, UNHEARD),
    ({"node": "another"}, "node: another in the configuration"),
    ({"profile": 70000}, "profile: 70000 is not in"),
    ({"board": "toaster"}, "board: toaster is not one of"),
    ({"board": "esp32-c3", "sensors": [{"model": "a02yyuw", "uart": 2}]}, "this board has no uart 2"),
    ({"station": "volcano"}, "station: no station 'volcano'"),
    ({"link": {"kind": "pigeon"}}, "link.kind: pigeon is not one of"),
    ({"link": {"kind": "ethernet"}}, UNHEARD),
    ({"link": {"kind": "ppp"}}, UNHEARD),
    ({"link": {"kind": "wifi", "address": "10.0.0.x/1"}}, UNHEARD),
    ({"time": {"sntp": "fd00::1"}}, "time.sntp: must be"),
    ({"time": {"sntp": "pool:x"}}, "time.sntp: must be"),
    ({"time": {"sntp": ":123"}}, "time.sntp: must be"),
    ({"watchdog_s": 1}, "watchdog_s: 1 is not 0 or in 60..600"),
    ({"watchdog_s": 10}, "watchdog_s: 10 is not 0 or in"),
    ({"watchdog_s": 601}, "watchdog_s: 601 is not in"),
    ({"sampling": {"interval_s": 1, "batch": 255}}, ""),
    ({"sampling": {"interval_s": 0}}, "sampling.interval_s: 0 is not in"),
    ({"sampling": {"batch": 256}}, "sampling.batch: 256 is not in"),
    ({"sampling": 7}, "sampling: must be an object"),
    ({"outbox": {"bytes": 1}}, "outbox.bytes: 1 is not in"),
    ({"power": {"profile": "battery"}, "sensors": [{"model": "sht3"}, SHT]}, "sensors[0] sht3: no driver"),
    ({"power": {"profile": "battery"}, "sensors": [{"model": "tipping_bucket", "pulse": 0}]}, "power.profile: battery"),
    ({"power": {"profile": "battery", "report_s": 60}, "sensors": []}, ""),
    ({"sensors": [SHT, SHT]}, "sensors: sht4x twice"),
    ({"sensors": [{"model": "sht4x", "i2c": 9}]}, "this board has no i2c 9"),
    ({"sensors": [{"model": "sht4x", "i2c": "0"}]}, "sensors[0] sht4x"),
    ({"sensors": [{"model": "sht4x", "i2c": 0, "address": "x"}]}, ""),
    ({"sensors": [{"model": "a02yyuw", "uart": 1, "colour": 1}]}, "sensors[0] a02yyuw"),
    ({"sensors": "none"}, "sensors: must be a list"),
    ({"sensors": [5, None, {"model": 7}]}, "sensors[0]: must be an object"),
    ({"colour": {"deep": [1] * 50}}, "colour: unknown key"),
]


@pytest.mark.parametrize("config, said", CASES, ids=[str(config)[:60] for config, _ in CASES])
def test_a_node_lives_with_it_and_says_so(tmp_path: Path, config: dict[str, Any], said: str, need: Any) -> None:
    need_vm()
    street = Street(tmp_path, **config)
    try:
        street.simulation.power_on(street.node)
        street.simulation.run(400)
    finally:
        street.simulation.close()
    log = street.node.log_path.read_text()
    wakes = config.get("power", {}).get("profile") == "battery"
    assert street.node.boots == 1 or wakes, log
    assert {boot for boot, _ in street.bridge.frames} <= {1}, log
    assert "Traceback" not in log, log
    if said == UNHEARD:
        return
    health = street.bridge.kinds(T.K_HEALTH)
    assert health and said in health[-1].fields.get("config_errors", ""), log
    assert "safe_profile" not in health[-1].fields
