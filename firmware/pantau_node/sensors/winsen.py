"""What Winsen's modules share: nine bytes, FF first, and a last one that makes the sum of those after FF zero."""


def verify(packet):
    """Return "" or the cause of refusal."""
    return "" if sum(packet[1:9]) & 0xFF == 0 else "checksum"


def command(code, data=0):
    """Return the bytes of command `code` with its first data byte."""
    return bytes((0xFF, 1, code, data, 0, 0, 0, 0, -(1 + code + data) & 0xFF))
