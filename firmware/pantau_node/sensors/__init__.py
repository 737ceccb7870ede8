"""One file per sensor, named in catalog.py; loaded when it is used, so that the others cost no RAM."""


def load(model):
    """Return the driver module of `model`; raises ValueError that names the known ones."""
    from .catalog import models

    known = models()
    if model not in known:
        raise ValueError("no driver for sensor model '%s'; there are: %s" % (model, ", ".join(sorted(known))))
    file = known[model]
    return getattr(__import__("pantau_node.sensors." + file).sensors, file)


def driver(model, bus, **options):
    """Return the Driver of `model` on `bus`; `options` are the sensor's own keys of the configuration.

    A file that drives several models is told which.
    """
    module = load(model)
    if not module.__name__.endswith("." + model):
        options["model"] = model
    return module.Driver(bus, **options)
