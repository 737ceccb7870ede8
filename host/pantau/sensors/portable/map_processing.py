"""Vectors of signal processing: what the node computes; the rest is the host's and judged there."""

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


def judge(vector, driver, tables):
    kind = vector["kind"]
    if kind == "sound_speed":
        from pantau_node.sensors import a02yyuw

        centi = round(vector["t_c"] * 100)
        return same(vector, "m/s", vector["expect"], a02yyuw.sound_speed(centi) / 1000, 0.005)
    raise UnjudgeableError(HOST.get(kind, "kind '" + kind + "': nothing on the node computes it"))
