"""What a broker's refusals mean and what to do about them: MQTT 5.0 reason codes (2.4) and MQTT 3.1.1 return codes."""

from __future__ import annotations

from typing import NamedTuple

from pantau_wire.refused import REFUSED

_LOGIN = "correct [mqtt] user and password_file"
_ACL = "allow it in the broker's ACL"
_LOG = "look into the broker's log"
_LATER = "it passes; trying again"
_OTHER_VERSION = 'set [mqtt] version to the one that this broker speaks, "3.1.1" or "5"'
_DEFECT = f"a defect of Pantau or of the broker: {_LOG}, and report it"
_PACE = "raise the broker's limit"

FAILED = 0x80  # codes from here on are failures


class Reason(NamedTuple):
    """One code: what it means, and what a person does about it."""

    means: str
    advice: str

    def __str__(self) -> str:
        return f"{self.means}; {self.advice}"


REASONS = {
    0x00: Reason("the broker closed the session in order", _LATER),
    0x80: Reason("the broker gives no reason", _LOG),
    0x81: Reason("malformed packet", _DEFECT),
    0x82: Reason("protocol error", _DEFECT),
    0x83: Reason("not acceptable to this broker", _LOG),
    0x84: Reason("protocol version not accepted", _OTHER_VERSION),
    0x85: Reason("client id rejected", "choose another [mqtt] client_prefix, or allow ours in the broker"),
    0x86: Reason("bad user name or password", _LOGIN),
    0x87: Reason("not authorised", _ACL),
    0x88: Reason("server unavailable", _LATER),
    0x89: Reason("server busy", _LATER),
    0x8A: Reason("this client is banned", "lift the ban in the broker; its administrator set it"),
    0x8B: Reason("the broker is shutting down", "start it again; the nodes keep their frames"),
    0x8C: Reason("authentication method not accepted", "let the broker accept a password, or a certificate"),
    0x8D: Reason("keep-alive timeout", "the line or this computer was too slow; check both, or raise keepalive_s"),
    0x8E: Reason(
        "session taken over",
        "another bridge uses this client_prefix: stop it, or give each city and each test its own [mqtt] client_prefix",
    ),
    0x8F: Reason("topic filter not accepted", _ACL),
    0x90: Reason("topic not accepted", _ACL),
    0x91: Reason("packet id in use", _DEFECT),
    0x92: Reason("packet id not known", _DEFECT),
    0x93: Reason("receive maximum exceeded", _DEFECT),
    0x94: Reason("topic alias not accepted", _DEFECT),
    0x95: Reason("packet too large", "raise the broker's packet limit to 4096 bytes or more"),
    0x96: Reason("message rate too high", _PACE),
    0x97: Reason("quota exceeded", _PACE),
    0x98: Reason("closed by an administrator", "ask the broker's administrator why"),
    0x99: Reason("payload format not accepted", _LOG),
    0x9A: Reason("retained messages not supported", _LOG),
    0x9B: Reason("QoS 1 not supported", "allow QoS 1 in the broker: with less, messages are lost"),
    0x9C: Reason("use another server", "set [mqtt] host to the broker that serves us now"),
    0x9D: Reason("server moved", "set [mqtt] host to the broker's new address"),
    0x9E: Reason("shared subscriptions not supported", _LOG),
    0x9F: Reason("connection rate exceeded", f"{_LATER}, more slowly"),
    0xA0: Reason("maximum connect time", _LATER),
    0xA1: Reason("subscription identifiers not supported", _LOG),
    0xA2: Reason("wildcard subscriptions not supported", "allow them in the broker: a bridge cannot do without"),
}

_OLD_ADVICE = {1: _OTHER_VERSION, 2: REASONS[0x85].advice, 3: _LATER, 4: _LOGIN, 5: _LOGIN}


def reason(code: int, said: str = "") -> str:
    """Return what an MQTT 5 code means and what to do, with what the broker `said` itself."""
    known = REASONS.get(code, Reason(f"code 0x{code:02X}", _LOG))
    return f"{known.means} ({said}); {known.advice}" if said else str(known)


def login_reason(code: int, said: str = "") -> str:
    """Return the same for a refused CONNECT, where "not authorised" is about the login and not about a topic."""
    if code != 0x87:
        return reason(code, said)
    return f"not authorised ({said}); {_LOGIN}" if said else f"not authorised; {_LOGIN}"


def old_reason(code: int) -> str:
    """Return what an MQTT 3.1.1 CONNACK code means and what to do."""
    return f"{REFUSED.get(code, f'code {code}')}; {_OLD_ADVICE.get(code, _LOG)}"
