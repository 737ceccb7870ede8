# `gc` in virtual time: the collector scans the C stack conservatively, so free bytes differ by chance from run to run.
# They would make reports differ; heap is measured on the 32-bit VM, not here.
import gc as _gc
from gc import *

_FREE, _USED = 65536, 98304
_threshold = -1


def mem_free():
    return _FREE


def mem_alloc():
    return _USED


def threshold(amount=None):
    # Heeded, 24-fold, while a node starts, where modules come and go and an uncollected heap would be in pieces as no chip's is. Then
    # only noted: a collection each few KiB takes four fifths of a node-day and shows nothing that this VM could tell.
    global _threshold
    if amount is None:
        return _threshold
    _gc.threshold(24 * amount if amount > _threshold else -1)
    _threshold = amount
    return None
