"""One file per sensor, named in catalog.py; loaded when it is used, so that the others cost no RAM."""


def load(model):
    """Return the driver module of `model`; raises ValueError that names the known ones."""
    from .catalog import MODELS

    if model not in MODELS:
        raise ValueError("no driver for sensor model '%s'; there are: %s" % (model, ", ".join(sorted(MODELS))))
    file = MODELS[model]
    return getattr(__import__("pantau_node.sensors." + file).sensors, file)


def driver(model, bus, **options):
    """Return the Driver of `model` on `bus`; `options` are the sensor's own keys of the configuration.

    A file that drives several models is told which.
    """
    module = load(model)
    if not module.__name__.endswith("." + model):
        options["model"] = model
    return module.Driver(bus, **options)
