# `socket` in virtual time: TCP and UDP to the host's model network, plain; only a client's half.
import struct

import _simbus

AF_INET, SOCK_STREAM, SOCK_DGRAM, SOL_SOCKET, SO_REUSEADDR, IPPROTO_TCP, TCP_NODELAY = 2, 1, 2, 1, 2, 6, 1
_EAGAIN, _EBADF, _ENOTCONN, _EINPROGRESS, _ETIMEDOUT, _EDESTADDRREQ, _EPROTONOSUPPORT = 11, 9, 107, 115, 110, 89, 93
_POLLIN, _POLLOUT, _POLLERR, _POLLHUP, _IOCTL_POLL = 1, 4, 8, 16, 3
_CONNECT, _SEND, _CLOSE, _DATAGRAM = 1, 2, 3, 4  # to the host
_DATA, _CONNECTED, _CLOSED, _ERROR = 0, 1, 2, 3  # from the host
_DATAGRAMS = 6  # kept unread for one socket: the receive box of lwIP as ESP-IDF configures it
_next_id = 0


def getaddrinfo(host, port, af=0, type=0, proto=0, flags=0):
    """Names are resolved by the host's model; without a link there is no resolver."""
    if not _simbus.call(_simbus.LINK)[0]:
        raise OSError(-2)
    return [(AF_INET, type or SOCK_STREAM, 0, "", (host, port))]


def socket(af=AF_INET, type=SOCK_STREAM, proto=0):
    if type not in (SOCK_STREAM, SOCK_DGRAM):
        raise OSError(_EPROTONOSUPPORT)
    return _Tcp() if type == SOCK_STREAM else _Udp()


class _Socket:
    def __init__(self):
        global _next_id
        _next_id += 1
        self._id = _next_id
        self._timeout_ms = -1
        _simbus._sockets[self._id] = self

    def _call(self, what, data=b""):
        _simbus.call(_simbus.SOCKET, struct.pack("<BH", what, self._id) + data)
        _simbus.acted()

    def setblocking(self, flag):
        self._timeout_ms = -1 if flag else 0

    def settimeout(self, seconds):
        self._timeout_ms = -1 if seconds is None else int(seconds * 1000)

    def setsockopt(self, *_args):
        pass

    def fileno(self):
        return -1


class _Udp(_Socket):
    """Datagrams: what is sent without a link, or to nobody, is lost without a word."""

    def __init__(self):
        super().__init__()
        self._to = None
        self._got = []
        self._closed = False

    def event(self, _kind, data):
        if len(self._got) < _DATAGRAMS:
            self._got.append(data)

    def bind(self, _address):
        pass

    def connect(self, address):
        self._to = address

    def send(self, data):
        if self._to is None:
            raise OSError(_EDESTADDRREQ)
        return self.sendto(data, self._to)

    def sendto(self, data, address):
        self._check()
        host = address[0].encode()
        self._call(_DATAGRAM, struct.pack("<HB", address[1], len(host)) + host + bytes(data))
        return len(data)

    write = send

    def recv(self, size):
        self._check()
        left_us = self._timeout_ms * 1000
        while not self._got:
            if not left_us:
                raise OSError(_EAGAIN if not self._timeout_ms else _ETIMEDOUT)
            before = _simbus.uptime_us()
            _simbus.wait_us(left_us)
            if left_us > 0:
                left_us = max(0, left_us - (_simbus.uptime_us() - before))
        return self._got.pop(0)[:size]  # the rest of a datagram is gone, as the port has it

    def recvfrom(self, size):
        return self.recv(size), self._to

    def read(self, size=65535):
        return self.recv(size) if self._got or self._timeout_ms else None

    def _check(self):
        if self._closed:
            raise OSError(_EBADF)

    def close(self):
        self._closed = True
        _simbus._sockets.pop(self._id, None)

    def ioctl(self, request, arg):
        return (_POLLOUT | (_POLLIN if self._got else 0)) if request == _IOCTL_POLL else 0


class _Tcp(_Socket):
    def __init__(self):
        super().__init__()
        self._buffer = b""
        self._connected = self._ended = False
        self._error = 0

    def event(self, kind, data):
        """What the host says of this connection."""
        if kind == _DATA:
            self._buffer += data
        elif kind == _CONNECTED:
            self._connected = True
        elif kind == _CLOSED:
            self._ended = True
        else:
            self._error = data[0]

    def connect(self, address):
        host, port = address
        self._call(_CONNECT, struct.pack("<H", port) + host.encode())
        if self._timeout_ms == 0:
            raise OSError(_EINPROGRESS)
        self._wait(lambda: self._connected)

    def _wait(self, done):
        """Block until done(), an end or an error, or the timeout."""
        while not (done() or self._ended or self._error):
            if not _simbus.wait_us(self._timeout_ms * 1000 if self._timeout_ms > 0 else -1):
                raise OSError(_ETIMEDOUT)
        self._check()

    def _check(self):
        if self._error:
            raise OSError(self._error)

    def _take(self, size):
        self._check()
        if not self._buffer and not self._ended:
            if self._timeout_ms == 0:
                return None
            self._wait(lambda: self._buffer)
        got, self._buffer = self._buffer[:size], self._buffer[size:]
        return got

    def read(self, size=-1):
        return self._take(65535 if size is None or size < 0 else size)

    def recv(self, size):
        got = self._take(size)
        if got is None:
            raise OSError(_EAGAIN)
        return got

    def readinto(self, buf, size=-1):
        got = self._take(len(buf) if size < 0 else size)
        if got is None:
            return None
        buf[: len(got)] = got
        return len(got)

    def readline(self):
        self._check()
        end = self._buffer.find(b"\n") + 1
        if end:
            return self._take(end)
        return self._take(65535) if self._buffer or self._ended else None

    def write(self, data):
        self._check()
        if self._ended:
            raise OSError(_ENOTCONN)
        if not self._connected:
            return None
        for k in range(0, len(data), 1024):
            self._call(_SEND, bytes(data[k : k + 1024]))
        return len(data)

    def send(self, data):
        sent = self.write(data)
        if sent is None:
            raise OSError(_EAGAIN)
        return sent

    sendall = send

    def close(self):
        if _simbus._sockets.pop(self._id, None):
            self._call(_CLOSE)

    def ioctl(self, request, arg):
        if request != _IOCTL_POLL:
            return 0
        ready = 0
        if self._buffer or self._ended or self._error:
            ready |= _POLLIN
        if self._connected or self._error:
            ready |= _POLLOUT
        if self._error:
            ready |= _POLLERR
        if self._ended:
            ready |= _POLLHUP
        return ready
