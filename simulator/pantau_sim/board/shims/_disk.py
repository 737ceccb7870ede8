# The board's file system has the size that its flash gives it: littlefs counts in blocks of 4 KiB, and says ENOSPC (28).
import io

_BLOCK = 4096
_ENOSPC = 28


def _blocks(size):
    return max(1, (size + _BLOCK - 1) // _BLOCK)


class _File(io.IOBase):
    """A file open for writing, which grows only as far as there is room. Text is encoded here, as the port does."""

    def __init__(self, disk, file, text):
        self._disk = disk
        self._file = file
        self._text = text
        self._end = file.seek(0, 1)
        self._room = disk.room() + _blocks(self._end) * _BLOCK

    def write(self, data):
        if self._text:
            data = data.encode()
        if self._end + len(data) > self._room:
            raise OSError(_ENOSPC)
        self._end += len(data)
        return self._file.write(data)

    def read(self, *size):
        data = self._file.read(*size)
        return data.decode() if self._text else data

    def readinto(self, buffer):
        return self._file.readinto(buffer)

    def readline(self):
        data = self._file.readline()
        return data.decode() if self._text else data

    def seek(self, *where):
        return self._file.seek(*where)

    def tell(self):
        return self._file.seek(0, 1)

    def flush(self):
        self._file.flush()

    def close(self):
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()


class Disk:
    """A jail of _launch.py with so many bytes."""

    def __init__(self, jail, size):
        self._jail = jail
        self._size = size
        for name in ("stat", "chdir", "getcwd", "rmdir", "remove", "rename", "mount", "umount"):
            setattr(self, name, getattr(jail, name))

    def _used(self, path):
        used = 2  # a folder is a pair of blocks
        for name, kind, _inode, size in self.ilistdir(path):
            used += self._used(path + "/" + name) if kind & 0x4000 else _blocks(size)
        return used

    def ilistdir(self, path):
        folder = self._jail._at(path).rstrip("/")
        for name, kind, inode in [entry[:3] for entry in self._jail.ilistdir(path)]:
            yield (name, kind, inode, 0 if kind & 0x4000 else self._jail.stat(folder + "/" + name)[6])

    def room(self):
        return self._size - self._used("/") * _BLOCK

    def statvfs(self, _path):
        free = max(0, self.room()) // _BLOCK
        return (_BLOCK, _BLOCK, self._size // _BLOCK, free, free, 0, 0, 0, 0, 255)

    def mkdir(self, path):
        if self.room() < 2 * _BLOCK:
            raise OSError(_ENOSPC)
        self._jail.mkdir(path)

    def open(self, path, mode):
        if "r" in mode and "+" not in mode:
            return self._jail.open(path, mode)
        text = "b" not in mode
        if self.room() < _BLOCK and "r" not in mode:
            self._jail.stat(path)  # of a file that is there, something may be cut off; a new one needs a block
        return _File(self, self._jail.open(path, mode.replace("t", "") + ("b" if text else "")), text)
