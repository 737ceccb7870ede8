# Runs after boot.py and never ends.
from pantau_node.app import run

run()
