# Runs inside the node's VM, before the firmware: builds the node's file system and its clock, then boots it as a board does.
# "/" becomes the node's own folder; firmware, wire and shims are mounted read-only below "/.sim".
# The VM starts on the host's root, so nothing of the firmware may be imported before `_mount`.
import sys

import vfs

_EROFS = 30


def _clean(path):
    """`path` without "." and ".." steps: VfsPosix itself would follow ".." out of the folder."""
    parts = []
    for step in path.split("/"):
        if step == "..":
            if parts:
                parts.pop()
        elif step and step != ".":
            parts.append(step)
    return "/" + "/".join(parts)


class _Jail:
    """A VFS over one host folder that no path can leave; `ro` refuses every change with EROFS."""

    def __init__(self, folder, ro, vfs_posix):
        self._fs = vfs_posix(folder)
        # With a root, VfsPosix.rename builds both paths in one buffer and renames the new name to itself (1.29): ENOENT.
        self._rootless = vfs_posix()
        self._folder = folder
        self._ro = ro
        self._cwd = "/"

    def _at(self, path):
        return _clean(path if path.startswith("/") else self._cwd + "/" + path)

    def _change(self, path):
        if self._ro:
            raise OSError(_EROFS)
        return self._at(path)

    def mount(self, _ro, _mkfs):
        pass

    def umount(self):
        pass

    def open(self, path, mode):
        if "r" not in mode or "+" in mode:
            return self._fs.open(self._change(path), mode)
        return self._fs.open(self._at(path), mode)

    def stat(self, path):
        return self._fs.stat(self._at(path))

    def statvfs(self, path):
        return self._fs.statvfs(self._at(path))

    def ilistdir(self, path):
        return iter(sorted(self._fs.ilistdir(self._at(path))))  # a host folder has no order of its own

    def chdir(self, path):
        path = self._at(path)
        if not self._fs.stat(path)[0] & 0x4000:
            raise OSError(20)
        self._cwd = path

    def getcwd(self):
        return self._cwd

    def mkdir(self, path):
        self._fs.mkdir(self._change(path))

    def rmdir(self, path):
        self._fs.rmdir(self._change(path))

    def remove(self, path):
        self._fs.remove(self._change(path))

    def rename(self, old, new):
        self._rootless.rename(self._folder + self._change(old), self._folder + self._change(new))


def _mount(boot):
    posix = vfs.VfsPosix
    vfs.umount("/")
    vfs.mount(_Jail(boot["root"], False, posix), "/")
    path = []
    for name, folder in boot["mounts"]:
        vfs.mount(_Jail(folder, True, posix), "/.sim/" + name)
        path.append("/.sim/" + name)
    # The node's own files come after the shims and before the shipped firmware, so that an installed slot wins.
    shims = boot["shims"]
    sys.path[:] = path[:shims] + ["", "/", "/lib"] + path[shims:] + [".frozen"]


def _flash(boot):
    """Open the partitions' files, which the node itself has no path to: (label, sectors, address, subtype, file) of each."""
    host = vfs.VfsPosix(boot["flash"])
    return [
        (label, n, address, kind, host.open("/" + name, "r+b")) for label, n, address, kind, name in boot["partitions"]
    ]


def _split_clocks():
    """Give asyncio the unwrapped clock and the firmware the wrapped one (see time.py)."""
    import time

    import _simbus

    wrapped = (time.ticks_ms, time.ticks_add, time.ticks_diff)
    time.ticks_ms, time.ticks_add, time.ticks_diff = _simbus.loop_clock()
    import asyncio.core

    time.ticks_ms, time.ticks_add, time.ticks_diff = wrapped


def _run(name):
    """Run the first of /NAME and the shipped firmware's NAME, as `__main__`; a missing file is skipped as on a board."""
    for folder in ("/", "/.sim/firmware/"):
        try:
            with open(folder + name) as f:
                source = f.read()
        except OSError:
            continue
        code = compile(source, folder + name, "exec")
        del source
        exec(code, {"__name__": "__main__", "__file__": folder + name})
        return True
    return False


def main():
    import gc
    import json

    link = open(int(sys.argv[1]), "r+b")  # the bus: one socket, both ways; stdin and stdout are the console
    link.write(b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
    boot = json.loads(link.read(int.from_bytes(link.read(4), "little")))
    partitions = _flash(boot) if boot["partitions"] else []
    _mount(boot)
    import _simbus

    _simbus.begin(link, boot)
    _simbus.flash.extend(partitions)
    if partitions:
        import esp32

        esp32.bootloader()
    _split_clocks()
    import _board_micropython

    sys.modules["micropython"] = _board_micropython  # a file cannot shadow this built-in, the module table can
    if boot["virtual"]:
        import random

        import _steady_gc

        random.seed(boot["seed"])
        sys.modules["gc"] = _steady_gc
        import _no_cable

        _no_cable.put()
    if boot.get("board"):
        import _board

        _board.main(_Jail)
    argv = boot.get("run")
    del boot
    gc.collect()
    if argv:
        if not _run(argv):
            raise OSError("%s is neither in the node's folder nor in the firmware" % argv)
        return
    _run("boot.py")
    _run("main.py")


main()
