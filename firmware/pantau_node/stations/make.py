"""What only the start needs of stations: which there are, and what one has with the sensors that it was given."""

from pantau_node.sensors.catalog import load

DOMAINS = ("air", "flood", "traffic")


def load_station(domain):
    """Return the Station class of a domain; raises ValueError that names the known ones."""
    if domain not in DOMAINS:
        raise ValueError("no station '%s'; there are: %s" % (domain, ", ".join(DOMAINS)))
    return getattr(__import__("pantau_node.stations." + domain).stations, domain).Station


def arrange(drivers, properties):
    """Return (models, the quickest to read first; ids of those of the properties that the drivers have, in their order)."""
    known = []
    for model in drivers:
        known.extend(getattr(drivers[model], "PROPERTIES", load(model).PROPERTIES))
    mine = []
    for ident in properties:
        if ident in known:
            mine.append(ident)
    return sorted(drivers, key=_period), tuple(mine)


def _period(model):
    return load(model).PERIOD_MS
