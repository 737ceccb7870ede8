"""Distance by the speed of sound in the air of the record, for modules that assume a fixed one. Loaded with such a module only."""

from pantau_wire import _flood as P
from pantau_wire import _tables as T
from pantau_wire.frame import quality


def speed_mm_s(centi_c):
    """Return the speed of sound in mm/s in air of `centi_c` hundredths of a degree: 331.3 m/s * sqrt(1 + T/273.15).

    Newton's square root from 0 Cel: exact to 1 mm/s between -100 and 200 Cel.
    """
    square = 331300 * 331300 * (27315 + centi_c) // 27315
    root = 331300
    for _ in range(6):
        root = (root + square // root) // 2
    return root


def corrected(mm, centi_c, assumed_mm_s):
    """Return the distance in mm whose echo took as long as one of `mm` at the assumed speed."""
    return (2 * mm * speed_mm_s(centi_c) + assumed_mm_s) // (2 * assumed_mm_s)


def correct(row, assumed_mm_s, centi_c):
    """Add the corrected distance to a record {property id: (value, quality code)}; return the air's temperature that it used.

    centi_c: the one used before. It stands in where the thermometer is silent, and nobody has checked it then: a degree is
    5 mm at 3 m, while to go back to the raw distance would be a step of 100 mm.
    """
    mm, code = row[P.WATER_DISTANCE]
    now, air = row.get(T.AIR_TEMPERATURE, (None, 0))
    if now is not None and air & 7 < 3:
        centi_c = now
    elif code & 7 == 0:
        code = quality(T.R_NOT_EVALUATED)
    row[P.WATER_DISTANCE_CORRECTED] = mm if mm is None else corrected(mm, centi_c, assumed_mm_s), code
    return centi_c
