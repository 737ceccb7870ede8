"""The node's configuration: a typed table of keys, all problems found at once, a safe default for each.

A bad configuration never stops measuring: what is wrong keeps its default and is reported (log and health frame).
"""

from pantau_wire.topics import valid_id

_WATCHDOG_S = 60  # it is fed every 20 s, and a name server that is silent may hold up the node for 20 s
_MODELS = 8  # sensors on one node: more than the buses of any supported board

# path, type, default, (least, greatest) or choices or None
SCHEMA = (
    ("node", str, "", None),
    ("city", str, "city", None),
    ("profile", int, 1, (0, 65535)),
    ("board", str, "esp32-generic", None),
    ("station", str, "flood", None),
    ("link.kind", str, "wifi", ("wifi", "ethernet", "ppp", "serial", "none")),
    ("link.ssid", str, "", None),
    ("link.password", str, "", None),
    ("link.address", str, "", None),
    ("link.apn", str, "", None),
    ("link.pin", str, "", None),
    ("broker.host", str, "", None),
    ("broker.port", int, 8883, (1, 65535)),
    ("broker.tls", bool, True, None),
    ("broker.ca", str, "/ca.der", None),
    ("broker.server_name", str, "", None),
    ("broker.lab_plain", bool, False, None),
    ("broker.auth", str, "password", ("password", "certificate", "psk")),
    ("broker.keepalive_s", int, 60, (5, 3600)),
    ("broker.backoff_min_ms", int, 1000, (50, 60000)),
    ("broker.backoff_max_s", int, 300, (1, 3600)),
    ("sampling.interval_s", int, 60, (1, 86400)),
    ("sampling.batch", int, 15, (1, 255)),
    ("sampling.run_s", int, 0, (0, 0x7FFFFFFF)),
    ("sampling.health_s", int, 900, (5, 86400)),
    ("outbox.bytes", int, 196608, (4096, 4194304)),
    ("time.sntp", str, "", None),
    ("power.profile", str, "mains", ("mains", "battery")),
    ("power.report_s", int, 900, (60, 86400)),
    ("alarm.distance_mm", int, 0, (0, 20000)),  # the nearest that the water may come to the sensor; 0: no threshold
    ("alarm.depth_mm", int, 0, (0, 20000)),  # the deepest by the transducer; 0: no threshold
    ("alarm.rise_mm_min", int, 20, (0, 1000)),  # as fast or faster is an event; 0: no rise is
    ("alarm.hysteresis_mm", int, 50, (0, 1000)),
    ("alarm.hold_s", int, 600, (10, 86400)),
    ("alarm.sample_s", int, 10, (1, 3600)),  # sampling interval in an event
    ("alarm.contact", bool, True, None),  # a closed float switch is an alarm
    ("alarm.siren", bool, False, None),
    ("alarm.active_low", bool, False, None),
    ("trial_s", int, 300, (30, 3600)),
    ("watchdog_s", int, 120, (0, 600)),  # 0: none; else at least a minute, see _together
)
_ALARM = "alarm."
KINDS = {str: "a text", int: "an integer", bool: "true or false"}


class Config:
    """One attribute for each row of SCHEMA (`link.kind` is `link_kind`), and `sensors`: a list of {model, ...}.

    The rows of `alarm` are one tuple instead, in the order of SCHEMA: watch.py names its places. A name costs RAM.
    """

    node: str
    city: str
    profile: int
    board: str
    station: str
    link_kind: str
    link_ssid: str
    link_password: str
    link_address: str
    link_apn: str
    link_pin: str
    broker_host: str
    broker_port: int
    broker_tls: bool
    broker_ca: str
    broker_server_name: str
    broker_lab_plain: bool
    broker_auth: str
    broker_keepalive_s: int
    broker_backoff_min_ms: int
    broker_backoff_max_s: int
    sampling_interval_s: int
    sampling_batch: int
    sampling_run_s: int
    sampling_health_s: int
    outbox_bytes: int
    time_sntp: str
    power_profile: str
    power_report_s: int
    alarm: tuple
    trial_s: int
    watchdog_s: int
    sensors: list


def _get(data, path):
    for part in path.split("."):
        if not isinstance(data, dict) or part not in data:
            return None, False
        data = data[part]
    return data, True


def _check(path, kind, limits, value):
    """Return what is wrong with one value, or None. bool is an int to CPython and not to MicroPython: compare types."""
    if type(value) is not kind:
        return "%s: must be %s" % (path, KINDS[kind])
    if limits and kind is str and value not in limits:
        return "%s: %s is not one of %s" % (path, value, ", ".join(limits))
    if limits and kind is int and not limits[0] <= value <= limits[1]:
        return "%s: %d is not in %d..%d" % (path, value, limits[0], limits[1])
    return None


def _unknown(data, prefix, problems):
    for name in sorted(data):
        path = prefix + name
        if path == "sensors":
            continue
        below = isinstance(data[name], dict) and any(row[0].startswith(path + ".") for row in SCHEMA)
        if below:
            _unknown(data[name], path + ".", problems)
        elif not any(row[0] == path or row[0].startswith(path + ".") for row in SCHEMA):
            problems.append("%s: unknown key" % path)
        elif not any(row[0] == path for row in SCHEMA):
            problems.append("%s: must be an object" % path)


def _sensors(given, problems):
    if not isinstance(given, list):
        problems.append("sensors: must be a list")
        return []
    sensors = []
    for index, item in enumerate(given[:_MODELS]):
        if isinstance(item, dict) and isinstance(item.get("model"), str):
            sensors.append(item)
        else:
            problems.append("sensors[%d]: must be an object with a model" % index)
    if len(given) > _MODELS:
        problems.append("sensors: more than %d" % _MODELS)
    return sensors


def _place(path):
    """Return the place of a row of `alarm` in Config.alarm."""
    return [row[0] for row in SCHEMA if row[0].startswith(_ALARM)].index(path)


def get(config, path):
    """Return the value that a Config has for the path of a row of SCHEMA, None for another path."""
    if path not in [row[0] for row in SCHEMA]:
        return None
    return config.alarm[_place(path)] if path.startswith(_ALARM) else getattr(config, path.replace(".", "_"))


def build(data):
    """Return (Config, problems) from a parsed JSON object."""
    config = Config()
    problems = []
    if not isinstance(data, dict):
        data = {}
        problems.append("not a JSON object")
    alarm = []
    for path, kind, default, limits in SCHEMA:
        value, found = _get(data, path)
        problem = _check(path, kind, limits, value) if found else None
        if problem:
            problems.append(problem)
        value = default if problem or not found else value
        if path.startswith(_ALARM):
            alarm.append(value)
        else:
            setattr(config, path.replace(".", "_"), value)
    config.alarm = tuple(alarm)
    config.sensors = _sensors(data.get("sensors", []), problems)
    _unknown(data, "", problems)
    _together(config, problems)
    return config, problems


def _together(config, problems):
    """Check what the table cannot say; what does not do gets its default."""
    if not valid_id(config.city):
        problems.append("city: must be 1 to 23 of a-z, 0-9 and hyphen")
        config.city = "city"
    if config.time_sntp and not _is_host(config.time_sntp):
        problems.append("time.sntp: must be a name or an IPv4 address, :port may follow")
        config.time_sntp = ""
    if 0 < config.watchdog_s < _WATCHDOG_S:
        problems.append("watchdog_s: %d is not 0 or in %d..600" % (config.watchdog_s, _WATCHDOG_S))
        config.watchdog_s = _WATCHDOG_S
    if not config.broker_host and config.link_kind != "serial":
        problems.append("broker.host: missing, so nothing can be sent")
    if not config.broker_tls and not config.broker_lab_plain:
        problems.append("broker.tls: false needs broker.lab_plain true; TLS stays on")
        config.broker_tls = True
    _alarm_together(config, problems)
    if config.power_profile == "battery" and get(config, "alarm.siren"):
        problems.append("alarm.siren: needs power.profile mains: an output does not hold through deep sleep")
        _set_alarm(config, "alarm.siren", False)
    if config.broker_backoff_max_s * 1000 < config.broker_backoff_min_ms:
        problems.append("broker.backoff_max_s: less than backoff_min_ms")
        config.broker_backoff_min_ms = config.broker_backoff_max_s * 1000


def _alarm_together(config, problems):
    """Check the alarm's settings against each other."""
    depth_mm, hysteresis_mm = _whole(config, "alarm.depth_mm"), _whole(config, "alarm.hysteresis_mm")
    if 0 < depth_mm <= hysteresis_mm:
        problems.append(
            "alarm.hysteresis_mm: %d is not below alarm.depth_mm, the alarm would never end" % hysteresis_mm
        )
        _set_alarm(config, "alarm.hysteresis_mm", depth_mm // 2)
    sample_s = _whole(config, "alarm.sample_s")
    if 60 % sample_s and config.sampling_interval_s > sample_s:
        problems.append("alarm.sample_s: %d does not divide 60" % sample_s)
        _set_alarm(config, "alarm.sample_s", 10)


def _whole(config, path):
    return int(get(config, path) or 0)


def _set_alarm(config, path, value):
    at = _place(path)
    config.alarm = config.alarm[:at] + (value,) + config.alarm[at + 1 :]


def _is_host(text):
    name, colon, port = text.partition(":")
    return bool(name) and (not colon or (port.isdigit() and 0 < int(port) < 65536))
