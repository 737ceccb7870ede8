"""The rare part of trial.py: choosing the configuration at the start, changing it, taking a change back."""

import json

from .config import get
from .trial import COMMITTED, DEFAULTS, REVERTED, TRIAL

_SECRET = ("password", "pin")
_DETAIL = 160


def _bodies(slots):
    """Return [(generation, dict, bytes), ...], the newest first."""
    found = []
    for generation, payload in slots.read():
        try:
            body = json.loads(payload)
        except ValueError:
            continue
        if isinstance(body, dict):
            found.append((generation, body, payload))
    return found


def load(trial, rescue, crashed):
    """Set state, generation and problem of a Trial; return the body to run with."""
    found = _bodies(trial.slots())
    proved = trial.committed.value
    if not found:
        trial.generation, trial.state = proved, DEFAULTS
        what = "defaults: provision it anew (docs/install-by-hand.md)" if rescue is None else "the rescue configuration"
        trial.problem = "config: no copy can be read; " + what
        return rescue or {}
    generation, body, payload = found[0]
    back = _back(found, proved)
    trial.generation, trial.state = generation, COMMITTED
    if generation > proved:
        if back is None or back[2] == payload:
            trial.commit(generation)  # nothing to go back to; or going back was cut short
        elif crashed:
            trial.problem = "config: generation %d ended in a crash; back to the one before" % generation
            take_back(trial)
            trial.generation, trial.state = max(trial.committed.value, back[0]), REVERTED
            return back[1]
        else:
            trial.state = TRIAL
            conf = trial.build(body)[0]
            # A battery node is heard of once in report_s.
            twice_s = 2 * conf.power_report_s if conf.power_profile == "battery" else 0
            trial.wait_ms = 1000 * max(conf.trial_s, twice_s)
            return body
    if generation < proved:
        trial.problem = "config: generation %d is damaged; an earlier one" % proved
        trial.state = REVERTED
    elif len(found) == 2 and found[1][0] != generation and found[1][2] == payload:
        trial.state = REVERTED
    return body


def _back(found, proved):
    """Return what to go back to if the newest fails, or None."""
    return found[1] if len(found) == 2 and found[1][0] <= proved else None


def take_back(trial):
    """Write the body before the trial as a newer generation over it and commit that; False if the flash refuses."""
    found = _bodies(trial.slots())
    back = _back(found, trial.committed.value)
    if back is None:
        trial.on_ack(0)  # the way back was damaged meanwhile: better this configuration than none
        return False
    generation = found[0][0] + 1
    try:
        trial.slots().write(generation, back[2], back[0])
    except OSError:
        return False
    trial.commit(generation)  # if the flash refuses, the next start does it: there are two copies of one body
    trial.generation, trial.state = generation, REVERTED
    return True


def apply(trial, patch, generation):
    """See Trial.apply."""
    found = _bodies(trial.slots())
    newest = max([trial.committed.value, trial.generation] + [one[0] for one in found])
    if type(generation) is not int or not newest < generation < 1 << 31:
        return 0, "generation %s is not greater than %d" % (generation, newest)
    if not isinstance(patch, dict):
        return 0, "not a JSON object"
    old = {}
    for one in found:
        if one[0] == trial.generation:
            old = one[1]
    try:
        new = _merge(old, patch)
        payload = json.dumps(new).encode()
    except RuntimeError:
        return 0, "nested too deeply"
    known = trial.build(old)[1]
    conf, problems = trial.build(new)
    problems = [problem for problem in problems if problem not in known]
    if problems:
        return 0, "; ".join(problems)[:_DETAIL]
    detail = " ".join(_echo(patch, "", conf))[:_DETAIL]
    if new == old:
        return 1, "unchanged: " + detail
    try:
        trial.slots().write(generation, payload, min(trial.committed.value, trial.generation))
    except ValueError as error:
        return 0, str(error)
    except OSError:
        return 0, "the flash refused it"
    return 1, detail


def _merge(old, patch):
    """Return `old` with a merge patch applied; neither is changed."""
    if not isinstance(patch, dict):
        return patch
    new = dict(old) if isinstance(old, dict) else {}
    for name in patch:
        if patch[name] is None:
            new.pop(name, None)
        else:
            new[name] = _merge(new.get(name), patch[name])
    return new


def _echo(patch, prefix, conf):
    """Return ["key=value", ...]: what the changed keys are in the new configuration."""
    said = []
    for name in sorted(patch):
        path = prefix + name
        if isinstance(patch[name], dict):
            said += _echo(patch[name], path + ".", conf)
        else:
            value = conf.sensors if path == "sensors" else get(conf, path)
            said.append("%s=%s" % (path, "***" if name in _SECRET and value else json.dumps(value)))
    return said
