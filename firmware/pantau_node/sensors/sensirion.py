"""The CRC-8 on each word of Sensirion's sensors (SHT3x 4.12, SPS30 6.2, SCD4x 3.4, SGP41 4.4)."""


def crc8(data):
    """Return Sensirion's CRC-8: polynomial 0x31, start 0xFF, not reflected."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31) & 0xFF if crc & 0x80 else crc << 1
    return crc


def words(reply):
    """Return (values, index of the first wrong CRC or None) of 16-bit words that each carry a CRC-8."""
    values = []
    for at in range(0, len(reply) - 2, 3):
        if crc8(reply[at : at + 2]) != reply[at + 2]:
            return values, at // 3
        values.append(reply[at] << 8 | reply[at + 1])
    return values, None
