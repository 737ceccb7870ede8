# The REPL of a board over bytes, as shared/runtime/pyexec.c of MicroPython has it: friendly, raw, raw paste, paste.
import sys

import _board
from micropython import const

_A, _B, _C, _D, _E = const(1), const(2), const(3), const(4), const(5)
_WINDOW = const(128)
_COMPOUND = ("if", "while", "for", "try", "with", "def", "class", "async", "@")
_out = sys.stdout.buffer.write
_in = sys.stdin.buffer.read


class Repl:
    """raw: in which of the two it begins."""

    def __init__(self, machine, version, raw):
        self._banner = "MicroPython v%d.%d.%d; %s\r\n" % (version[0], version[1], version[2], machine)
        self._raw = raw
        self._names = {"__name__": "__main__"}

    def file(self, name):
        """Run a file of the board if it is there; return whether it ended well."""
        try:
            with open("/" + name) as file:
                source = file.read()
        except OSError:
            return True
        return self._execute(source, name, "exec")

    def _execute(self, source, name, kind, raw=False):
        """Compile and run; errors are printed. SystemExit and machine.soft_reset() lead to a soft reset."""
        wrong = None
        try:
            try:
                _board.keyboard(_C, self._raw)
                exec(compile(source, name, kind), self._names)
            except BaseException as error:  # noqa: BLE001  whatever it was, it is printed
                wrong = error
            wrong = self._quiet() or wrong
        except KeyboardInterrupt as error:  # it came just as the code had ended
            wrong = self._quiet() or error
        if isinstance(wrong, SystemExit):
            if raw:
                _out(b"\x04\x04")
            _board.soft_reset(self._raw)
        if raw:
            _out(b"\x04")
        if wrong is not None:
            _board.print_exception(wrong)
        if raw:
            _out(b"\x04")
        return wrong is None

    def _quiet(self):
        """No byte interrupts any more; return the interrupt that came a moment ago, or None."""
        late = None
        while True:
            try:
                _board.keyboard(-1, self._raw)
                return late
            except KeyboardInterrupt as error:
                late = error

    def run(self):
        """Serve for ever: a soft reset ends the interpreter."""
        while True:
            if self._raw:
                self._run_raw()
            else:
                self._run_friendly()

    def _read(self):
        data = _in(1)
        if not data:
            raise SystemExit  # the host has gone
        return data[0]

    def _run_raw(self):
        _out(b"raw REPL; CTRL-B to exit\r\n")
        while True:
            _out(b">")
            line = bytearray()
            while True:
                char = self._read()
                if char == _A:
                    if line[:1] == b"\x05" and len(line) == 2:
                        self._paste(line[1])
                        break
                    return  # begins anew, with its greeting
                if char == _B:
                    _out(b"\r\n")
                    self._raw = False
                    return
                if char == _C:
                    line = bytearray()
                elif char == _D:
                    _out(b"OK")
                    if not line:
                        _out(b"\r\n")
                        _board.soft_reset(True)
                    self._execute(line.decode(), "<stdin>", "exec", raw=True)
                    break
                else:
                    line.append(char)

    def _paste(self, kind):
        if kind != 65:
            _out(b"R\x00")
            return
        _out(b"R\x01" + bytes((_WINDOW, 0)))
        source = bytearray()
        while True:
            char = self._read()
            if char in (_C, _D):
                break
            source.append(char)
            if len(source) % _WINDOW == 0:
                _out(b"\x01")
        _out(b"\x04")
        if char == _C:
            _out(b"\x04\x04")
            return
        self._execute(source.decode(), "<stdin>", "exec", raw=True)

    def _run_friendly(self):
        _out((self._banner + 'Type "help()" for more information.\r\n').encode())
        while True:
            source = self._source()
            if source is None:
                return
            if source.strip():
                self._execute(source, "<stdin>", "single")

    def _source(self):
        """Return the next statement, "" for none, or None to change to the raw REPL."""
        lines = []
        while True:
            text = self._line("... " if lines else ">>> ", not lines)
            if text is None or (lines and not text.strip()):
                break
            if isinstance(text, int):
                return self._control(text)
            lines.append(text)
            if not self._open(lines):
                break
        return "" if text is None else "\n".join(lines) + "\n"

    def _control(self, char):
        if char == _A:
            self._raw = True
            _out(b"\r\n")
            return None
        if char == _B:
            _out(b"\r\n" + self._banner.encode())
            return ""
        if char == _E:
            return self._pasted()
        _out(b"\r\n")
        _board.soft_reset(False)
        return None

    def _open(self, lines):
        """Whether a statement goes on: a block until an empty line, brackets until they close."""
        word = lines[0].replace("@", "@ ").split(" ")[0].rstrip(":")
        if word in _COMPOUND:
            return True
        text = "".join(lines)
        return sum([text.count(c) for c in "([{"]) > sum([text.count(c) for c in ")]}"]) or text.endswith("\\")

    def _line(self, prompt, first):
        """Return what was typed, None after Ctrl-C, or the number of a control character at the beginning of a statement."""
        _out(prompt.encode())
        line = bytearray()
        while True:
            char = self._read()
            if char == _C:
                _out(b"\r\n")
                return None
            if char in (_A, _B, _D, _E) and first and not line:
                return char
            if char in (8, 127):
                if line:
                    line = line[:-1]
                    _out(b"\x08 \x08")
            elif char in (13, 10):
                _out(b"\r\n")
                return line.decode()
            elif char >= 32 or char == 9:
                line.append(char)
                _out(bytes((char,)))

    def _pasted(self):
        _out(b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
        text = bytearray()
        while True:
            char = self._read()
            if char == _C:
                _out(b"\r\n")
                return ""
            if char == _D:
                _out(b"\r\n")
                self._execute(text.decode(), "<stdin>", "exec")
                return ""
            if char == 13:
                char = 10
                _out(b"\r\n=== ")
            else:
                _out(bytes((char,)))
            text.append(char)
