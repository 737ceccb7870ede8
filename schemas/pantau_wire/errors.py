"""The one exception of the wire: what was wrong with the bytes, as a stable code."""

CODES = (
    "truncated",  # the bytes end before what they announce
    "too_long",  # over the bound of this kind of bytes
    "unknown_version",  # made by a newer Pantau: keep the bytes, update, replay
    "unknown_kind",  # a kind this version does not know
    "bad_field",  # not canonical, out of order, or not of its declared form
    "bad_value",  # a number that the format cannot carry
    "bad_tag",  # the keyed tag does not fit
)


class WireError(Exception):
    """Bytes that are not what they should be; `code` is one of CODES. Refuse them, keep them, say why."""

    def __init__(self, code, detail=""):
        super().__init__(code + ": " + detail if detail else code)
        self.code = code
