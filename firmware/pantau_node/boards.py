"""Boards as data: which pins carry which bus. A new board is one entry here; docs/wiring.md is generated from it.

uart: {number: (tx, rx)}, i2c: {number: (scl, sda)}, pulse: [pins, input with pull-up, counted on falling edges].
battery: (ADC pin, times, by): the supply is times / by of what the pin sees behind its divider, at most 2.4 V there.
lan: the PHY on the board; ref_clk_out: the chip makes its 50 MHz. siren: the output that drives the relay of a siren or lamp. modem: {"uart": number, "baud": its speed, "key": the
pin that pulls the modem's power key down through a transistor}, link.kind "ppp" takes that UART.
UART 0 is the REPL and the technician's cable on every board.
"""

BOARDS = {
    # ESP32-WROOM-32 DevKitC, 4 MB. GPIO 6..11 are the flash, 34..39 have no pull-up, 0/2/12/15 strap the boot.
    # ADC 2 does not work beside Wi-Fi: the battery is on ADC 1 (GPIO 32..39), 100 kOhm : 100 kOhm.
    "esp32-generic": {
        "uart": {1: (26, 27), 2: (17, 16)},
        "i2c": {0: (22, 21), 1: (33, 32)},
        "pulse": (25, 14),
        "battery": (35, 2, 1),
        "siren": 13,
        "modem": {"uart": 2, "baud": 115200, "key": 4},
    },
    # ESP32-S3-DevKitC-1 with PSRAM: GPIO 26..37 are flash and PSRAM, 19/20 USB, 0/3/45/46 strap the boot.
    "esp32-s3": {
        "uart": {1: (17, 18), 2: (15, 16)},
        "i2c": {0: (9, 8), 1: (11, 10)},
        "pulse": (4, 5),
        "battery": (1, 2, 1),
        "siren": 7,
        "modem": {"uart": 2, "baud": 115200, "key": 6},
    },
    # ESP32-C3-DevKitM-1: one free UART; GPIO 11..17 are the flash, 18/19 USB, 2/8/9 strap the boot.
    "esp32-c3": {
        "uart": {1: (4, 5)},
        "i2c": {0: (7, 6)},
        "pulse": (10, 3),
        "battery": (0, 2, 1),
        "siren": 1,
    },
    # WT32-ETH01 V1.4 (ESP32 and LAN8720A). RMII has GPIO 0 (50 MHz in), 19, 21, 22, 25, 26, 27; GPIO 16 enables the
    # oscillator. The header calls 17/5 TXD/RXD, 33 485_EN, 32 CFG; 35, 36, 39 are inputs without pull-up, 2 and 12 strap
    # the boot, and a closed contact at 15 while it starts only silences the boot messages.
    "wt32-eth01": {
        "uart": {1: (17, 5), 2: (4, 36)},
        "i2c": {0: (32, 33)},
        "pulse": (14, 15),
        "siren": 2,  # no active-low module here: its pull-up would keep the chip from being flashed
        "lan": {
            "phy_type": "LAN8720",
            "phy_addr": 1,
            "mdc": 23,
            "mdio": 18,
            "power": 16,
            "ref_clk": 0,
            "ref_clk_out": False,
        },
    },
}
