# ruff: noqa: F821  (these names are the manifest language)
# For those who build their own MicroPython image: `make BOARD=... FROZEN_MANIFEST=<this file>`.
# Frozen code runs from flash: no compilation on the chip and half the RAM of .mpy files.
include("$(PORT_DIR)/boards/manifest.py")
package("pantau_wire", base_path="../schemas")
package("pantau_node", base_path=".")
module("boot.py", base_path=".")
module("pantau_boot.py", base_path=".")
module("main.py", base_path=".")
