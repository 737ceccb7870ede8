"""Distance by the speed of sound in the air of the record, for modules that assume a fixed one. Loaded with such a module only."""


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
