"""What a technician puts into the node's folder, identity.json and config.json, goes into the two-copy stores at the start.

A file is removed only after both copies (of a configuration: the new one) were read back. An unsound file stays and is
reported, and what was in force stays in force. Needed at the start only.
"""

import json
import os

from .files import missing
from .identity import IdentityError, parse


def _text(path):
    """Return the bytes of a file or None if there is none; raises OSError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        if not missing(path):
            raise
        return None


def _again(slots):
    """Give the newest payload a second copy where there is only one; raises OSError."""
    found = slots.read()
    if len(found) == 1:
        slots.write(found[0][0], found[0][1], found[0][0])


def identity(slots, path):
    """Take identity.json at `path` into both slots; return what is wrong, or None."""
    try:
        text = _text(path)
        found = slots.read()
        generation, payload = found[0] if found else (0, None)
        if text is not None and text != payload:
            parse(text)
            slots.write(generation + 1, text, generation)
            generation, payload = generation + 1, text
        if payload is None:
            return None
        if slots.read() != [(generation, payload)] * 2:
            slots.write(generation, payload, generation)
        if text is not None:
            os.remove(path)
    except (IdentityError, ValueError, OSError) as error:
        return "%s: %s: left as it is" % (path, error)
    return None


def config(slots, committed, path, build):
    """Take config.json at `path` into the slots, on trial if there is one to go back to; return what is wrong, or None.

    build: config.build. The first configuration of a node is taken even if it has problems, which each start reports:
    better than defaults. One that would replace another must have none that the other has not.
    """
    try:
        text = _text(path)
        if text is None:
            _again(slots)
            return None
        body = json.loads(text)
        if not isinstance(body, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004  as bad as no JSON
        found = slots.read()
        proved = committed.value
        if not found or found[0][1] != text:
            back = [one for one in found if one[0] <= proved]
            problems = _new_problems(build, body, back[0][1]) if back else None
            if problems:
                raise ValueError("; ".join(problems))
            generation = max(proved, found[0][0] if found else 0) + 1
            slots.write(generation, text, back[0][0] if back else generation)
            if not back:
                committed.advance(generation)
        _again(slots)
        os.remove(path)
    except (ValueError, OSError) as error:
        return "%s: %s: left as it is" % (path, error)
    return None


def _new_problems(build, body, before):
    try:
        known = build(json.loads(before))[1]
    except ValueError:
        known = ()
    return [problem for problem in build(body)[1] if problem not in known]
