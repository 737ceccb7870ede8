"""The hot path of receiving: runs of MQTT QoS 1 PUBLISH packets taken apart in one loop. I/O-free.

Whatever is not the plain case is left where it is, for the general reader: this loop never raises and never guesses.
"""

from __future__ import annotations


def take(
    data: bytes, at: int, topics: list[bytes], payloads: list[bytes], pids: list[bytes], *, properties: bool
) -> int:
    """Append topic, payload and packet id of every whole QoS 1 PUBLISH standing at `at`, one behind another.

    Return the place behind the last of them. Packets of 16 KiB and more are not plain; with `properties` (MQTT 5) neither
    is one that carries any.
    """
    size = len(data)
    while at + 2 < size:
        if data[at] & 0xF6 != 0x32:  # PUBLISH with QoS 1, whatever DUP and RETAIN say
            return at
        length, body = data[at + 1], at + 2
        if length > 127:
            high = data[body]
            if high > 127:
                return at
            length = length & 127 | high << 7
            body += 1
        end = body + length
        if end > size or length < 4:
            return at
        pid = body + 2 + (data[body] << 8 | data[body + 1])
        start = pid + 2
        if properties:
            if start >= end or data[start]:
                return at
            start += 1
        if start > end:
            return at
        topics.append(data[body + 2 : pid])
        pids.append(data[pid : pid + 2])
        payloads.append(data[start:end])
        at = end
    return at
