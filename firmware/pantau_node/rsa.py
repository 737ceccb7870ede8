"""RSA signatures, PKCS#1 v1.5 with SHA-256 (RFC 8017, 8.2.2): what stands under the power is compared whole, nothing in it is parsed."""

import hashlib

_EXPONENT = 65537
_SHA256 = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"  # DER of DigestInfo up to the digest


def verify(modulus, signature, message):
    """Tell whether the signature of a message (all bytes) was made with the private half of this modulus."""
    size = len(modulus)
    number, n = int.from_bytes(signature, "big"), int.from_bytes(modulus, "big")
    tail = b"\x00" + _SHA256 + hashlib.sha256(message).digest()
    if len(signature) != size or size < len(tail) + 11 or number >= n:
        return False
    wanted = b"\x00\x01" + b"\xff" * (size - 2 - len(tail)) + tail
    return pow(number, _EXPONENT, n).to_bytes(size, "big") == wanted
