"""Whether a file is really not there: error numbers differ between ports, and an unreadable file is not a missing one."""

import os


def missing(path):
    """Return True if the folder of `path` can be read and does not list it; raises OSError if it cannot be read."""
    folder, _, name = path.rpartition("/")
    return name not in os.listdir(folder or "/")
