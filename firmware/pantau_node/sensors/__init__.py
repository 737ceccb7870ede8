"""One file per sensor, named as in the node's configuration; loaded when it is used, so that the others cost no RAM."""

# Models that speak like another one: the same file drives them, with their own limits.
FAMILY = {
    "a01nyub": "a02yyuw",
    "jsn_sr04t": "a02yyuw",
    "aj_sr04m": "a02yyuw",
    "sht3x": "sht4x",
    "pms1003": "pms5003",
    "pms7003": "pms5003",
    "pmsa003": "pms5003",
}
# Put together at run time: a constant tuple holds a second copy of each name, 32 bytes each.
FILES = tuple(["a02yyuw", "tipping_bucket", "sht4x", "ld2451", "pulse", "pms5003", "bme280"])  # noqa: C409


def load(model):
    """Return the driver module of `model`; raises ValueError that names the known ones."""
    file = FAMILY.get(model, model)
    if file not in FILES:
        known = ", ".join(sorted(FILES + tuple(FAMILY)))
        raise ValueError("no driver for sensor model '" + str(model) + "'; there are: " + known)
    return getattr(__import__("pantau_node.sensors." + file).sensors, file)


def driver(model, bus, **options):
    """Return the Driver of `model` on `bus`; `options` are the sensor's own keys of the configuration."""
    if model in FAMILY:
        options["model"] = model
    return load(model).Driver(bus, **options)
