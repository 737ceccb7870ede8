"""Which file drives which model. Only the start loads it; `pantau sensor list` prints it. A new sensor is a line here."""

# One text, taken apart when it is asked: names of a dict would stand in the chip's table of names for ever.
_FILES = """
a02yyuw: a02yyuw a01nyub jsn_sr04t aj_sr04m
maxbotix: mb7389 mb7388 mb7369 mb7368
ads1115: ads1115
float_switch: float_switch
tipping_bucket: tipping_bucket
ld2451: ld2451
ld2450: ld2450
pulse: pulse
dual_pulse: dual_pulse
qmc5883l: qmc5883l
pms5003: pms5003 pms1003 pms7003 pmsa003
sps30: sps30
sps30_uart: sps30_uart
sds011: sds011
bme280: bme280
sht4x: sht4x sht3x
winsen_ze: ze03_co ze03_no2 ze03_so2 ze07_co ze25_o3
scd4x: scd4x
mhz19: mhz19 mhz19b mhz19c
sgp41: sgp41
"""


def models():
    """Return {model: file}."""
    found = {}
    for line in _FILES.strip().split("\n"):
        file, names = line.split(": ")
        for model in names.split(" "):
            found[model] = file
    return found


def load(model):
    """Return the driver module of `model`; raises ValueError that names the known ones."""
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
