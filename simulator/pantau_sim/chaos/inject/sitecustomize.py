"""Python imports this by itself at its start, in processes whose path begins with this folder. See ../launcher.py."""

from pantau_sim.chaos.launcher import install

install()
