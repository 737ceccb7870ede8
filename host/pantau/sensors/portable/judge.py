"""Runs in each interpreter: `judge.py vectors FILE...` prints one marked JSON line a vector; `decode MODEL HEX`; `list`.

A separate process on CPython too, so that the bridge never imports the node and all get the same script.
"""

import json
import os
import sys

import common
from common import FAILED, PASSED, SKIPPED, MismatchError, UnjudgeableError, unhex

MARK = "@@judge "


def say(event):
    """Print one event on a line of its own."""
    print(MARK + json.dumps(event))


def every_table():
    """Return every mapping table: the modules map_*.py beside this one."""
    names = sorted(os.listdir(common.__file__.rsplit("/", 1)[0]))
    return [__import__(name[:-3]) for name in names if name.startswith("map_") and name.endswith(".py")]


def load(path):
    """Return the parsed JSON file."""
    with open(path) as file:  # the VM has no pathlib
        return json.load(file)


def table_for(stem, sensor):
    """Return (table, "") of a vector file by its name, else by the sensor that it names; (None, reason) without driver."""
    for text in (stem.lower(), sensor.lower().replace(" ", "")):
        best = None
        for table in every_table():
            for key in table.FILES:
                if key in text and (best is None or len(key) > len(best[0])):
                    best = (key, table)
        if best:
            return best[1], ""
    return None, "no driver for '" + sensor + "'"


def judge(table, vector, driver, tables):
    """Return (verdict, why) of one vector; a driver that raises has failed."""
    try:
        table.judge(vector, driver, tables)
    except MismatchError as error:
        return FAILED, str(error)
    except UnjudgeableError as error:
        return SKIPPED, str(error)
    except Exception as error:  # noqa: BLE001  nothing may escape a driver: that is a finding
        return FAILED, "raised " + type(error).__name__ + ": " + str(error)
    return PASSED, ""


def vectors(paths):
    """Judge every vector of every file."""
    from pantau_node.sensors.catalog import load as load_driver
    from pantau_wire import names

    for number, path in enumerate(paths):
        data = load(path)
        stem = path.replace("\\", "/").split("/")[-1].rsplit(".", 1)[0]
        table, why = table_for(stem, str(data.get("sensor", "")))
        driver = load_driver(table.MODELS[0]) if table and table.MODELS else None
        for index, vector in enumerate(data["vectors"]):
            verdict, said = judge(table, vector, driver, names) if table else (SKIPPED, why)
            say([number, index, verdict, said])


def decode(model, text):
    """Print what the driver of `model` makes of the bytes."""
    from pantau_node.sensors.catalog import load as load_driver
    from pantau_wire import names

    driver = load_driver(model)
    table = [t for t in every_table() if model in t.MODELS]
    if not table:
        raise ValueError("sensor '" + model + "' has no packets: it is read by counting pulses")
    for rows, parser in table[0].decode(unhex(text), model, driver, names):
        if rows is not None:
            say({"rows": rows})
        elif parser is not None:  # the end of a stream
            framer = parser.framer
            say({"refused": framer.refused, "cause": framer.cause, "pending": framer.pending})


def nothing(*_args, **_options):
    """Return 0, whatever a bus is asked."""
    return 0


class Nowhere:
    """A bus with nothing at it, for drivers whose properties depend on the model."""

    def __getattr__(self, name):
        return nothing


def listing():
    """Print every driver: what `pantau sensor list` shows."""
    from pantau_node.sensors import base
    from pantau_node.sensors.catalog import driver as make
    from pantau_node.sensors.catalog import load as load_driver
    from pantau_node.sensors.catalog import models
    from pantau_wire import names

    base.now = lambda: 0  # CPython has not the chip's clock, and nothing here takes time
    for model in sorted(models()):
        driver = load_driver(model)
        bus = [Nowhere(), Nowhere()] if driver.BUS == "pulses" else Nowhere()
        gives = getattr(make(model, bus), "PROPERTIES", driver.PROPERTIES)
        # Only people read these: as constants they would stand in the RAM of every node.
        said = dict(line.split(": ", 1) for line in driver.__doc__.splitlines() if ": " in line)
        limits = getattr(driver, "LIMITS", {}).get(model)
        say(
            {
                "model": model,
                "properties": [names.PROPERTIES[ident][:2] for ident in gives],
                "bus": driver.BUS,
                "power": said["Power"],
                "warm_up_s": driver.WARM_UP_MS / 1000,
                "range": "%d..%d mm" % limits if limits else said["Range"],
                "source": said["Source"],
            }
        )


def main(argv):
    """Run one of the three; a wrong model or wrong hex is said, not raised."""
    if argv[0] == "vectors":
        return vectors(argv[1:])
    try:
        if argv[0] == "decode":
            decode(argv[1], argv[2])
        else:
            listing()
    except ValueError as error:
        say({"error": str(error)})


main(sys.argv[1:])
