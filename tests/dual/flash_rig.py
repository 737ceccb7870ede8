"""Flash whose power goes, and the kinds of stores on it, for the dual tests."""

import os

from place import own

from pantau_sim.flash import NorFlash, PowerCut

FOLDER = own("store")
HOWS = ("before", "within", "after")


class Random:
    def __init__(self, seed):
        self.state = seed * 2654435761 & 0xFFFFFFFF or 1

    def bits(self, count):
        self.state = (self.state * 69069 + 1) & 0xFFFFFFFF
        return self.state >> (32 - count)


def every_cut(image, work, seed=1, tries=3):
    """Yield the NorFlash that is left by each power cut of work(flash), started from `image`."""
    whole = NorFlash(len(image) // 4096, image)
    work(whole)
    assert whole.overwrites == 0
    for op in range(1, whole.ops + 1):
        for how in HOWS:
            for i in range(tries if how == "within" else 1):
                flash = NorFlash(len(image) // 4096, image)
                flash.cut(op, how, Random(seed + 64 * op + i).bits)
                try:
                    work(flash)
                except PowerCut:
                    pass
                yield NorFlash(flash.sectors, flash.snapshot())


def empty_folder():
    """Return a folder without files."""
    try:
        os.mkdir(FOLDER)
    except OSError:
        pass
    for name in os.listdir(FOLDER):
        os.remove(FOLDER + "/" + name)
    return FOLDER


def put(name, data):
    """Write a file into the folder and return its path."""
    path = FOLDER + "/" + name
    with open(path, "wb") as file:
        file.write(data)
    return path


def files():
    """Return the names in the folder, sorted."""
    return sorted(os.listdir(FOLDER))


class Memory:
    """A Monotonic in RAM; refuse: the flash refuses."""

    def __init__(self, value=0):
        self.value = value
        self.refuse = False

    def advance(self, value):
        if self.refuse:
            raise OSError(5)
        if value <= self.value:
            raise ValueError(value)
        self.value = value


class Board:
    """A board with these partitions."""

    def __init__(self, parts):
        self.parts = parts

    def partition(self, label):
        return self.parts.get(label)
