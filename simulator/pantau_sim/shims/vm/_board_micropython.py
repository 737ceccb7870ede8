# `micropython` as the ESP32 has it: the VM's own, and what only a board's build adds.
from micropython import *


def alloc_emergency_exception_buf(_size):
    pass


def kbd_intr(_char):
    pass
