"""Boards as data: which pins carry which bus. A new board is one entry here.

uart: {number: (tx, rx)}, i2c: {number: (scl, sda)}, pulse: [pins, input with pull-up, counted on falling edges].
UART 0 is the REPL and the technician's cable on every board.
"""

BOARDS = {
    # ESP32-WROOM-32 DevKitC, 4 MB. GPIO 6..11 are the flash, 34..39 have no pull-up, 0/2/12/15 strap the boot.
    "esp32-generic": {
        "uart": {1: (26, 27), 2: (17, 16)},
        "i2c": {0: (22, 21), 1: (33, 32)},
        "pulse": (25, 14),
    },
    # ESP32-S3-DevKitC-1 with PSRAM: GPIO 26..37 are flash and PSRAM, 19/20 USB, 0/3/45/46 strap the boot.
    "esp32-s3": {
        "uart": {1: (17, 18), 2: (15, 16)},
        "i2c": {0: (9, 8), 1: (11, 10)},
        "pulse": (4, 5),
    },
    # ESP32-C3-DevKitM-1: one free UART; GPIO 11..17 are the flash, 18/19 USB, 2/8/9 strap the boot.
    "esp32-c3": {
        "uart": {1: (4, 5)},
        "i2c": {0: (7, 6)},
        "pulse": (10, 3),
    },
}
