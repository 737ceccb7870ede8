"""Which file drives which model. Only the start loads it, so that a model costs no RAM; `pantau sensor list` prints it."""

MODELS = {
    "a02yyuw": "a02yyuw",
    "a01nyub": "a02yyuw",
    "jsn_sr04t": "a02yyuw",
    "aj_sr04m": "a02yyuw",
    "tipping_bucket": "tipping_bucket",
    "ld2451": "ld2451",
    "pulse": "pulse",
    "pms5003": "pms5003",
    "pms1003": "pms5003",
    "pms7003": "pms5003",
    "pmsa003": "pms5003",
    "bme280": "bme280",
    "sht4x": "sht4x",
    "sht3x": "sht4x",
}
