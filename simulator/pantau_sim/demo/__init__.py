"""The demo: a small city on this machine, of the parts that ship; `run.py` is its story, the rest its props."""
