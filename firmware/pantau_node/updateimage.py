"""A full image: it goes straight into the OTA partition that does not run, for no file system has room for it.

`update.bin` keeps what stands before it. How much of it is there is kept in RAM, and in the state each 64 KiB. The chip's
bootloader tries it: an image that is not marked as valid is rolled back at the next reset.
"""

from micropython import const

from pantau_wire import bundle

from . import updatefile as kept

_SECTOR = const(4096)
_MARK = const(65536)
ENTRY = b"\x05image"  # and four bytes of size: the one file of such a bundle


def running(board):
    """Return the label of the application partition that runs; raises OSError, ImportError."""
    kind = board.ota()
    return kind(kind.RUNNING).info()[4]


def other(board):
    """Return the partition that an image goes into; raises OSError where the board has none."""
    kind = board.ota()
    return kind(kind.RUNNING).get_next_update()


def fits(app, head):
    """Return why the image does not fit this board, or ""."""
    try:
        part = other(app.board)
    except (OSError, ImportError):
        return "this board has no OTA partitions"
    size = head.fields["size"] - len(ENTRY) - 4
    if part.info()[3] < size:
        return "an image of %d bytes, the partition has %d" % (size, part.info()[3])
    return ""


def whole(head, held):
    """Return whether so many bytes of the bundle have all that does not go into the partition."""
    return head.fields["kind"] == bundle.APP or held >= head.start + len(ENTRY) + 4


def begin(app, root, state, head):
    """Bring what came with the head into the partition; raises OSError, ValueError."""
    start = head.start + len(ENTRY) + 4
    state["start"], state["mark"] = start, 0
    app.image = 0
    _write(app, kept.read(root, start, bundle.MAX_HEAD))


def have(app, root, state):
    """Return how many bytes of the bundle are held."""
    if "start" not in state:
        return kept.have(root)
    if getattr(app, "image", None) is None:
        app.image = state["mark"]  # what was not marked is received again, into sectors erased anew
    return state["start"] + app.image


def append(app, root, state, chunk):
    """Take the next bytes; raises OSError."""
    _write(app, chunk)
    mark = app.image // _MARK * _MARK
    if mark > state["mark"]:
        state["mark"] = mark
        kept.save(root, state)


def _write(app, data):
    """Program bytes where the last ended; a sector is erased when it is entered."""
    part = other(app.board)
    view = memoryview(data)
    while view:
        block, at = app.image // _SECTOR, app.image % _SECTOR
        if not at:
            part.ioctl(6, block)
        piece = view[: _SECTOR - at]
        part.writeblocks(block, piece, at)
        app.image += len(piece)
        view = view[len(piece) :]


def read(part, at, size):
    """Return bytes of the image as the partition gives them; raises OSError."""
    data = bytearray(min(size, _SECTOR - at % _SECTOR))
    part.readblocks(at // _SECTOR, data, at % _SECTOR)
    return data


def release(root):
    """Return the release of the image that runs; 0 where it was flashed by cable."""
    return kept.number(root + "image")
