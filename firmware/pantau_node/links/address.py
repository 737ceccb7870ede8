"""A fixed address: half the energy of a connect, for DHCP takes as long as all the rest (firmware facts 3.3)."""


def _dotted(text):
    numbers = text.split(".")
    return len(numbers) == 4 and all(number.isdigit() and int(number) < 256 for number in numbers)


def parse(text):
    """Return the 4-tuple of ifconfig() from "ip/mask/gateway/dns", four dotted addresses; raises ValueError."""
    parts = text.split("/")
    if len(parts) != 4 or not all(_dotted(part) for part in parts):
        raise ValueError(
            "link.address: %s is not ip/mask/gateway/dns, as 10.0.0.7/255.255.255.0/10.0.0.1/10.0.0.1; empty is DHCP"
            % text
        )
    return tuple(parts)
