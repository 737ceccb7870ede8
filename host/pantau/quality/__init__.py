"""Quality control behind the acknowledgement: flags, what is derived from good values, and what is revised later.

Nothing here reads a clock, a file or a socket. `Assessor` is a fold over the sequence of frames (docs/decisions/0014).
"""
