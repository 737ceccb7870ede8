"""TLS: whom the node believes and how it proves itself. Imported only where TLS is on.

`tls` is the C module of every MicroPython from 1.23 on; `ssl` is a wrapper around it that would only cost heap.
"""

import binascii

import tls

from . import LinkError


def context(config, who):
    """Return a context that believes the city's CA only, or TLS-PSK only; raises LinkError with what is missing."""
    made = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    setattr(made, "verify_mode", tls.CERT_REQUIRED)  # noqa: B010  the stubs do not know it
    if config.broker_auth == "psk":
        _use_psk(made, who.psk)
        return made
    what = "CA file " + config.broker_ca
    try:
        for certificate in _certificates(config.broker_ca):
            made.load_verify_locations(certificate)
        if config.broker_auth == "certificate":
            what = "client certificate of the identity"
            made.load_cert_chain(who.tls_cert, who.tls_key)
    except (OSError, ValueError) as error:
        raise LinkError("%s: %s: provision it anew (docs/install-by-hand.md)" % (what, error))
    return made


def _certificates(path):
    """Return the DER of each certificate in a DER or PEM file; PEM may hold the next CA beside the present one."""
    with open(path, "rb") as file:
        data = file.read()
    found = [data] if data[:1] == b"\x30" else [binascii.a2b_base64(part) for part in data.split(b"-----")[2::4]]
    if not found:
        raise ValueError("no certificate")
    return found


def _use_psk(made, psk):
    if psk is None:
        raise LinkError("broker.auth psk: the identity has no psk: provision it anew (docs/install-by-hand.md)")
    if not hasattr(made, "psk_key"):
        raise LinkError("broker.auth psk: this MicroPython has no TLS-PSK, 1.29 has: use password or certificate")
    setattr(made, "psk_identity", psk[0])  # noqa: B010  nor this
    setattr(made, "psk_key", psk[1])  # noqa: B010
    made.set_ciphers([suite for suite in made.get_ciphers() if "PSK" in suite])  # or a certificate would do as well
