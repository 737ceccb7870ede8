"""What bundles call this chip. The one place that asks: a bundle is made for some, and must be refused by all others."""

import sys

# sys.implementation._mpy >> 10, MicroPython 1.25
_ARCH = ("any", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin")
_ARCH += ("rv32imc",)


def name():
    """Return the architecture of native code and the chip, "xtensawin/esp32"; "x64/linux" where there is no chip."""
    arch = getattr(sys.implementation, "_mpy", 0) >> 10
    _, found, chip = getattr(sys.implementation, "_machine", "").rpartition(" with ")
    return (_ARCH[arch] if arch < len(_ARCH) else "?") + "/" + (chip.lower() if found else sys.platform)


def mpy():
    """Return the format of .mpy files that are read here; 0 where none are."""
    return getattr(sys.implementation, "_mpy", 0) & 255
