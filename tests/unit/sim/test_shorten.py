"""Short parameter names: only what nobody calls by name, and the program stays the same."""

from pantau.node.shorten import keywords, shorten

SOURCE = """
class Thing:
    def __init__(self, bus, stuck_s=5):
        self.bus = bus

    def read(self, deadline_ms, want=3):
        inner = [want + value for value in range(deadline_ms)]

        def later(offset):
            return offset + deadline_ms

        return inner, later(want)


def area(width, height):
    return width * height


KEPT = area(width=2, height=3)
"""


def test_parameters_get_short_names_and_the_rest_stays():
    kept = keywords([SOURCE])
    assert kept == {"width", "height"}
    short = shorten(SOURCE, kept)
    assert "def read(self, a, b=3)" in short and "def area(width, height)" in short
    assert "def __init__(self, bus, stuck_s=5)" in short  # a configuration names these
    spaces = {}, {}
    exec(SOURCE, spaces[0])
    exec(short, spaces[1])
    for space in spaces:
        assert space["KEPT"] == 6 and space["Thing"](None).read(2) == ([3, 4], 5)


def test_a_name_that_is_in_use_is_not_taken():
    short = shorten("def f(first, a):\n    b = 1\n    return first + a + b\n", frozenset())
    space = {}
    exec(short, space)
    assert space["f"](10, 5) == 16 and "def f(c, a)" in short


def test_functions_that_reach_outside_are_left_alone():
    source = "x = 0\n\ndef f(value):\n    global x\n    x = value\n"
    assert "def f(value)" in shorten(source, frozenset())
