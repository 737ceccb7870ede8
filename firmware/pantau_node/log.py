"""One line of log on stderr: `level room: text`. Callers never pass secrets or whole configurations."""

import sys


def log(level, room, text):
    """Print one line; level is error, warn or info. stdout stays free for the technician's link."""
    print(level, room + ":", text, file=sys.stderr)
