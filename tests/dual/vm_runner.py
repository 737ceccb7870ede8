"""Runs in the VM: `vm_runner.py MODULE TEST...` imports a dual test file and prints one marked JSON line per event."""

import gc
import io
import json
import sys


def say(test, result):
    """Print one result on a line of its own, whatever the test left on the current one."""
    print("\n@@dual " + json.dumps({"test": test, "result": result}))


module = __import__(sys.argv[1])
for name in sys.argv[2:]:
    say(name, "started")
    try:
        getattr(module, name)()
    except Exception as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        say(name, text.getvalue())
    else:
        say(name, "ok")
    gc.collect()
