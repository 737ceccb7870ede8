"""Asks an SNTP server for the time: one small UDP socket, nothing waits for it, the whole node runs on meanwhile."""

import asyncio
import os
import socket

from micropython import const

from pantau_node import clock as clocks
from pantau_node import log, sntp

from . import Backoff

_POLL_MS = const(10)  # how exactly the arrival is timed
_APART_MS = const(1000)  # between two samples
_HOUR_MS = const(3600000)
_REFUSED_MS = const(86400000)
_LEAST_MS = const(16000)  # after a failure, doubling to an hour
_MOST_BYTES = const(128)
_MOST_REPLIES = const(8)  # read for one question: somebody may flood us
_SYNCED_MS = const(1000)


class SntpTask:
    """host: name or address, ":port" may follow; net: its state is 2 while up; take(did): the clock was offered a time."""

    def __init__(self, host, clock, net, take, rand):
        name, _, port = host.partition(":")
        self._host = name
        self._port = int(port) if port else sntp.PORT
        self._clock = clock
        self._net = net
        self._take = take
        self._rand = rand
        self._backoff = Backoff(_LEAST_MS, _HOUR_MS, rand)
        self._where = None  # resolving blocks the node for seconds where the name server is silent: once is enough
        self._told = None
        self.why = None  # what was wrong with the last answer

    async def run(self):
        """Ask for ever: every hour, sooner after a failure; not while the bridge has just told us."""
        while True:
            await asyncio.sleep(await self.step() / 1000)

    async def step(self):
        """Ask once, if that is worth anything; return how long to wait then, ms."""
        clock = self._clock
        if self._net.state != 2:
            return _APART_MS
        if clock.source == clocks.BRIDGE and clock.error_ms(clock.uptime_ms()) < _SYNCED_MS:
            return self._next_ms()
        self.why = "no answer"
        try:
            did = await self._ask()
        except OSError as error:
            self._where = None
            self.why = str(error)
            did = None
        if did is None or did == "refused":
            self._tell(self.why if did is None else "its time is not plausible")
            return _REFUSED_MS if self.why == sntp.KISS else self._backoff.next_ms()
        self._backoff.reset()
        self._told = None
        self._take(did)
        return self._next_ms()

    def _next_ms(self):
        return _HOUR_MS - (_HOUR_MS * self._rand(13) >> 16)  # an eighth of jitter: a city does not ask at once

    def _tell(self, why):
        if why != self._told:  # once, not each hour
            self._told = why
            log("warn", "sntp", "%s: %s" % (self._host, why))

    async def _ask(self):
        """Take the samples and offer their time to the clock; return what it said, None where nothing was to be had."""
        if self._where is None:
            self._where = socket.getaddrinfo(self._host, self._port, 0, socket.SOCK_DGRAM)[0][-1]
        samples = []
        for number in range(sntp.SAMPLES):
            if number:
                await asyncio.sleep(_APART_MS / 1000)
            sample = await self._sample(self._where)
            if sample is not None:
                samples.append(sample)
            elif self.why == sntp.KISS:
                return None
        best = sntp.choose(samples)
        if best is None:
            if samples:
                self.why = "too few answers, or they contradict each other"
            self._where = None  # another server of a pool next time
            return None
        offset, error = best
        quality = clocks.SYNCED if error <= _SYNCED_MS else clocks.COARSE
        return self._clock.set_utc(offset + self._clock.uptime_ms(), error, quality, clocks.SNTP)

    async def _sample(self, where):
        """Return (UTC less uptime, error) in ms from one exchange with an address, or None; self.why says what was wrong."""
        cookie = os.urandom(8)
        uptime_ms = self._clock.uptime_ms
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.connect(where)  # answers of others do not even arrive
            start = uptime_ms()
            sock.send(sntp.request(cookie))
            replies = 0
            while replies < _MOST_REPLIES and uptime_ms() - start <= sntp.REPLY_MS:
                try:
                    data = sock.recv(_MOST_BYTES)
                except OSError as error:
                    if error.errno not in (11, 110, 116):  # EAGAIN; ETIMEDOUT is how lwIP may say the same
                        raise
                    await asyncio.sleep(_POLL_MS / 1000)
                    continue
                now = uptime_ms()
                replies += 1
                self.why, utc_ms, error_ms = sntp.judge(data, cookie, now - start)
                if self.why is None:
                    return utc_ms - now, error_ms
                if self.why == sntp.KISS:
                    break
        finally:
            sock.close()
        return None
