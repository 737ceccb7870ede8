"""What ended a handshake and what to do about it. Imported when one failed."""

import errno

from micropython import const

_ALERT = const(-0x7780)  # MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: the broker said no
_EPIPE = const(32)
_TCP = const(3)
_CERTIFICATE = const(4)
_TLS = const(5)
_TO_DO = (  # what mbedtls_x509_crt_verify_info says: what it means
    ("future", "not valid yet: check the clock"),
    ("expired", "its own validity or that of the CA expired: renew it, or check the clock"),
    ("Common Name", "made out to another name: check broker.host and broker.server_name"),
    ("signed", "not signed by our CA: check the CA file and the broker's address"),
)


def explain(error, auth):
    """Return (cause id, text with what to do) of what ended a handshake."""
    text = " ".join(str(error).split())
    if isinstance(error, ValueError):  # how MicroPython says that it does not trust the certificate
        hints = [hint for sign, hint in _TO_DO if sign in text]
        return _CERTIFICATE, "the broker's certificate is not trusted: %s (%s)" % ("; ".join(hints), text)
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ECONNREFUSED, errno.EHOSTUNREACH):
        return _TCP, text
    if number in (_ALERT, errno.ECONNRESET, _EPIPE):
        return _TLS, "the broker broke off the handshake: check this node's %s there (%s)" % (auth, text)
    return _TLS, "handshake: %s" % (text or "not finished in time")
