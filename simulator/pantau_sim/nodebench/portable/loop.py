"""Runs in the 32-bit VM, whose own asyncio belongs to JavaScript: the part of asyncio that a node uses, on a clock that jumps.

One call of run_next() is one turn of one task, so that the caller can measure and collect between two turns.
"""

import sys

NEVER = 1 << 29


class CancelledError(BaseException):
    pass


class TimeoutError(Exception):  # noqa: A001  asyncio's name for it
    pass


class Time:
    """Stands for the module `time`; now: ms since power-on."""

    now = 5000

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, end, start):
        return end - start

    def ticks_add(self, ticks, delta):
        return ticks + delta

    def time(self):
        return self.now // 1000

    def sleep_ms(self, ms):
        self.now += ms


clock = Time()
tasks = []
current = None


class Task:
    def __init__(self, coro, rig):
        self.coro = coro
        self.rig = rig  # stands for the world outside of the node: not measured
        self.at = clock.now
        self.raise_in = None
        self.ended = False
        self.error = self.value = self.waiter = None

    def done(self):
        return self.ended

    def cancel(self):
        if not self.ended:
            self.raise_in = CancelledError
            self.at = clock.now


def create_task(coro, rig=False):
    task = Task(coro, rig)
    tasks.append(task)
    return task


def current_task():
    return current


def next_task():
    """Return the task whose turn it is, with the clock moved to it."""
    best = tasks[0]
    for task in tasks:
        if task.at < best.at:
            best = task
    clock.now = max(clock.now, best.at)
    return best


def run_next(task):
    """Give the task its turn."""
    global current
    current = task
    try:
        error, task.raise_in = task.raise_in, None
        task.at = task.coro.throw(error) if error else task.coro.send(None)
        return
    except StopIteration as end:
        task.value = end.value
    except CancelledError as error:
        task.error = error
    except Exception as error:  # noqa: BLE001  who waits for it raises it again
        task.error = error
        if task.waiter is None:
            sys.print_exception(error)
    task.ended = True
    tasks.remove(task)
    if task.waiter is not None:
        task.waiter.at = clock.now


def sleep_ms(ms):
    yield clock.now + max(0, ms)


def sleep(seconds):
    return sleep_ms(int(seconds * 1000))


class StreamReader:
    """Of the console, where nobody is."""

    def __init__(self, stream):
        self.s = stream

    def read(self, size=-1):
        yield NEVER


def wait_for(aw, seconds):
    end = clock.now + int(seconds * 1000)
    task = create_task(aw)
    task.waiter = current
    try:
        while not task.ended:
            if clock.now >= end:
                raise TimeoutError
            yield end
    except BaseException:
        task.waiter = current  # nobody asks for its error
        task.cancel()
        raise
    if task.error is not None:
        raise task.error
    return task.value


def wait_for_ms(aw, ms):
    return wait_for(aw, ms / 1000)


class Event:
    def __init__(self):
        self.flag = False
        self.waiting = []

    def set(self):
        self.flag = True
        for task in self.waiting:
            task.at = clock.now
        self.waiting.clear()

    def clear(self):
        self.flag = False

    def is_set(self):
        return self.flag

    def wait(self):
        while not self.flag:
            self.waiting.append(current)
            try:
                yield NEVER
            finally:
                if current in self.waiting:
                    self.waiting.remove(current)
        return True


class Lock:
    def __init__(self):
        self.held = False

    async def __aenter__(self):
        while self.held:
            await sleep_ms(10)
        self.held = True

    async def __aexit__(self, *error):
        self.held = False
