"""Vectors of signal processing: what a driver computes; the rest is no driver's and says whose it is."""

from common import UnjudgeableError, compare, same

FILES = ("processing",)
MODELS = ()
HOST = {
    "nowcast": "NowCast needs twelve hours of history: the host's, not a driver's",
    "pm_correction": "a driver reports particles as the sensor says them: correcting them is the host's, by station profile",
    "qartod": "a quality test over a series of records: the host's, not a driver's",
    "payload": "the payload of another network: no sensor sends it, and no driver of ours could",
    "doppler": "a bare CW Doppler module gives an analog wave to sample at 5 kHz and more: no driver can on this chip",
}
# What the two times closed and the two instants are called, and the factor to microseconds.
UNITS = (("_us", 1), ("_ms", 1000), ("_s", 1000000))


def sound_speed(centi_c):
    """Return the speed of sound in mm/s in air of `centi_c` hundredths of a degree: 331.3 m/s * sqrt(1 + T/273.15)."""
    square = 331300 * 331300 * (27315 + centi_c) // 27315
    root = 331300
    for _ in range(6):  # Newton from 0 C: exact to 1 mm/s over -100..200 C after four rounds
        root = (root + square // root) // 2
    return root


def judge(vector, driver, tables):
    kind = vector["kind"]
    if kind == "sound_speed":
        centi = round(vector["t_c"] * 100)
        said = vector["expect"]
        step = 0.05 if abs(said * 10 - round(said * 10)) < 1e-6 else 0.005  # half of the last decimal that is printed
        return same(vector, "m/s", said, sound_speed(centi) / 1000, step)
    if kind == "dual_loop":
        return _dual_loop(vector)
    raise UnjudgeableError(HOST.get(kind, "kind '" + kind + "': nothing on the node computes it"))


def _given(vector, names, units):
    """Return the input under one of `names` with one of the units' endings, in the smallest unit; None if there is none."""
    for name in names:
        for ending, factor in units:
            found = vector.get(name + ending)
            if isinstance(found, (list, tuple)):
                return [round(one * factor) for one in found]
            if found is not None:
                return round(found * factor)
    return None


def _dual_loop(vector):
    """Judge by the arithmetic of the dual pulse driver: distance in mm, times in us."""
    from pantau_node.sensors import dual_pulse

    metres = (("_mm", 1), ("_cm", 10), ("_m", 1000))
    distance = _given(vector, ("D", "d", "distance", "spacing"), metres)
    time = _given(vector, ("dt", "delta_t", "travel"), UNITS)
    on = _given(vector, ("on", "on_time", "on_times", "occupied"), UNITS)
    if on is None:
        on = [_given(vector, (a, "t_" + a), UNITS) for a in ("on_a", "on_b")]
        if None in on:
            on = [_given(vector, (a, "t_" + a), UNITS) for a in ("on1", "on2")]
    loop = _given(vector, ("loop", "L_loop", "loop_length", "zone"), metres) or 0
    if distance is None or not time:
        raise UnjudgeableError("no distance or no time between the loops; the vector has: " + ", ".join(sorted(vector)))
    mm_s = dual_pulse.speed(distance, abs(time), 1000000)
    row = {"speed_mps": mm_s / 1000, "v_mps": mm_s / 1000, "speed_mm_s": mm_s, "speed_kmh": mm_s * 36 / 10000}
    if on and None not in on:
        if len(on) == 1:
            on = on * 2
        bare = dual_pulse.length(distance, abs(time), on[0], on[1], 0)
        row["eff_length_m"] = row["effective_length_m"] = bare / 1000
        mm = bare - loop
        row["length_m"] = row["vehicle_length_m"] = row["vehicle_len_m"] = mm / 1000
        row["eff_length_mm"], row["length_mm"] = bare, mm
        ms = [one / 1000 for one in on]
        good = dual_pulse.agree(ms[0], ms[1])
        row["on_times_agree"] = row["agree"] = row["ok"] = good
        row["fault"] = row["detector_fault"] = row["mismatch"] = row["suspect"] = not good
    steps = {"speed_mm_s": 1, "speed_kmh": 0.05, "eff_length_mm": 1, "length_mm": 1}
    for key in row:
        if key[-2:] == "_m" or key[-4:] == "_mps":
            steps[key] = 0.001
    return compare(vector, vector["expect"], row, steps)
