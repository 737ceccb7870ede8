# Runs after boot.py and never ends.
import machine

import pantau_boot

pantau_boot.run(machine)
