"""Runs in the unix VM: which writes to a file of MicroPython's littlefs outlive a power cut; the image of the last one."""

# ruff: noqa: PTH104, PTH123, SIM115
import binascii
import os
import sys

import vfs

from pantau_sim.flash import NorFlash


class Device:
    """NorFlash as VfsLfs2 asks for it."""

    def __init__(self, flash):
        self.readblocks = flash.readblocks
        self.writeblocks = flash.writeblocks
        self._flash = flash

    def ioctl(self, op, arg):
        return self._flash.ioctl(op, arg) if op > 3 else 0


def after_cut(flash, name):
    """Return what a file holds once the power is back."""
    vfs.mount(vfs.VfsLfs2(Device(NorFlash(flash.sectors, flash.snapshot()))), "/again")
    try:
        with open("/again/" + name, "rb") as file:
            return file.read()
    except OSError:
        return b"missing"
    finally:
        vfs.umount("/again")


flash = NorFlash(16)
vfs.VfsLfs2.mkfs(Device(flash))
vfs.mount(vfs.VfsLfs2(Device(flash)), "/disk")
file = open("/disk/log", "wb")
file.write(b"one")
print("written", after_cut(flash, "log"))
file.flush()
print("flushed", after_cut(flash, "log"))
file.close()
file = open("/disk/log", "r+b")
file.seek(3)
file.write(b"two")
file.flush()
print("appended", after_cut(flash, "log"))
with open("/disk/new", "wb") as other:
    other.write(b"whole")
file.close()
os.rename("/disk/new", "/disk/log")
print("renamed", after_cut(flash, "log"), after_cut(flash, "new"))
sys.stdout.write("image " + binascii.hexlify(flash.snapshot()).decode())
