"""UTF-8 (RFC 3629), checked by hand: MicroPython's decoder lets surrogates and overlong forms pass, CPython's does not."""

from .errors import WireError

# lead byte -> least and greatest second byte where they are narrower than 80..BF
_SECOND = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}


def _more(lead):
    """Return how many bytes follow a lead byte, or -1 for a byte that leads nothing."""
    if lead < 0x80:
        return 0
    if 0xC2 <= lead < 0xE0:
        return 1
    if 0xE0 <= lead < 0xF0:
        return 2
    return 3 if 0xF0 <= lead < 0xF5 else -1


def text(data):
    """Return the str that data is in UTF-8; raises WireError("bad_field") for anything else."""
    at = 0
    while at < len(data):
        lead = data[at]
        more = _more(lead)
        at += 1
        if more < 0 or at + more > len(data):
            raise WireError("bad_field", "not UTF-8")
        low, high = _SECOND.get(lead, (0x80, 0xBF))
        for byte in data[at : at + more]:
            if not low <= byte <= high:
                raise WireError("bad_field", "not UTF-8")
            low, high = 0x80, 0xBF
        at += more
    return bytes(data).decode("utf-8")
