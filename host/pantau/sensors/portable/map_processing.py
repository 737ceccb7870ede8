"""Vectors of signal processing: what we compute; the rest is the host's and judged there."""

from common import UnjudgeableError, same

FILES = ("processing",)
MODELS = ()
HOST = {
    "nowcast": "NowCast needs hours of history: computed on the host",
    "pm_correction": "PM stays raw on the node: correction is a host profile, versioned per station",
    "qartod": "needs history: quality tests of the host",
    "payload": "another network's payload: nothing of ours reads it",
    "dual_loop": "dual pulse input: no driver yet",
    "doppler": "no CW Doppler sensor: too fast for the node",
}


def _sound_speed(centi_c):
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
        return same(vector, "m/s", vector["expect"], _sound_speed(centi) / 1000, 0.005)
    raise UnjudgeableError(HOST.get(kind, "kind '" + kind + "': nothing on the node computes it"))
