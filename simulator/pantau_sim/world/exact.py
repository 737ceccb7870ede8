"""Elementary functions made of +, -, *, / and sqrt alone, which IEEE 754 defines to the last bit.

libm's exp, log and sin differ in the last bit between C libraries and processors; a world that is to be the same everywhere cannot
ask them. Accurate to some 1e-15. Reduction and coefficients: the Taylor series, and ln 2 in two parts as in fdlibm (Sun, 1993).
"""

import math

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_PER_LN2 = 1.4426950408889634
_TWO_PI = 6.283185307179586
_LOG = tuple(1.0 / (2 * k + 1) for k in range(10, -1, -1))


def exp(x: float) -> float:
    """Exponential of x; 0 below -700. OverflowError above 700."""
    if x < -700.0:
        return 0.0
    if x > 700.0:
        raise OverflowError(f"exp({x})")
    k = math.floor(x * _PER_LN2 + 0.5)
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    total = 1 / 39916800 + r * (1 / 479001600 + r * (1 / 6227020800))
    total = 1 / 5040 + r * (1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r * total)))
    total = 1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * total)))
    return math.ldexp(1.0 + r * (1.0 + r * (1 / 2 + r * total)), k)


def log(x: float) -> float:
    """Natural logarithm of x > 0."""
    part, k = math.frexp(x)
    if part < 0.7071067811865476:
        part, k = 2.0 * part, k - 1
    s = (part - 1.0) / (part + 1.0)
    square, total = s * s, 0.0
    for coefficient in _LOG:
        total = total * square + coefficient
    return k * _LN2_HIGH + (2.0 * s * total + k * _LN2_LOW)


def power(x: float, y: float) -> float:
    """Return x to the power y, for x >= 0."""
    return exp(y * log(x)) if x > 0.0 else 0.0


def tanh(x: float) -> float:
    """Hyperbolic tangent."""
    if abs(x) > 20.0:
        return 1.0 if x > 0 else -1.0
    e = exp(2.0 * x)
    return (e - 1.0) / (e + 1.0)


def sech2(x: float) -> float:
    """1 / cosh(x)**2: the derivative of tanh."""
    e = exp(-2.0 * abs(x))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


def bell(x: float) -> float:
    """Exponential of -x*x; `x ** 2` would be libm's pow."""
    return exp(-x * x)


def sin_turn(turns: float) -> float:
    """Sine of an angle in whole turns."""
    u = turns - math.floor(turns + 0.5)
    if u > 0.25:
        u = 0.5 - u
    elif u < -0.25:
        u = -0.5 - u
    x = _TWO_PI * u
    q = x * x
    total = 1 / 355687428096000 - q * (1 / 121645100408832000 - q * (1 / 51090942171709440000))
    total = 1 / 39916800 - q * (1 / 6227020800 - q * (1 / 1307674368000 - q * total))
    total = 1 / 120 - q * (1 / 5040 - q * (1 / 362880 - q * total))
    return x * (1.0 - q * (1 / 6 - q * total))


def cos_turn(turns: float) -> float:
    """Cosine of an angle in whole turns."""
    return sin_turn(turns - math.floor(turns) + 0.25)
