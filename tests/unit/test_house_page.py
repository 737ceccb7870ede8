"""Rules of the house for the page: both languages say everything, modules parse and stay short, nothing comes from elsewhere."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from needs import need

STATIC = Path(__file__).resolve().parents[2] / "host" / "pantau" / "web" / "static"
MODULES = sorted(STATIC.rglob("*.js"))
WORDS = sorted((STATIC / "strings").glob("*.json"))
LINES = 300


def keys(words, above=""):
    """Return the paths of all leaves of a table of words."""
    found = set()
    for name, value in words.items():
        path = f"{above}.{name}".lstrip(".")
        found |= keys(value, path) if isinstance(value, dict) else {path}
    return found


def slots(words):
    """Return each leaf's {placeholders}, by path."""
    flat = {}

    def walk(part, above):
        for name, value in part.items():
            if isinstance(value, dict):
                walk(value, f"{above}{name}.")
            elif isinstance(value, str):
                flat[above + name] = set(re.findall(r"\{(\w+)\}", value))

    walk(words, "")
    return flat


@pytest.mark.parametrize("file", WORDS, ids=lambda file: file.stem)
def test_both_languages_say_the_same_things(file):
    words = json.loads(file.read_text("utf-8"))
    assert set(words) == {"en", "id"}
    assert keys(words["en"]) == keys(words["id"])
    assert slots(words["en"]) == slots(words["id"])


def test_every_word_that_is_asked_for_is_there():
    known = set()
    for file in WORDS:
        words = json.loads(file.read_text("utf-8"))["en"]
        known |= keys(words if file.stem == "common" else {file.stem: words})
    for module in MODULES:
        # Keys with a ${part} are checked where they are used, by the tests in the browser.
        asked = re.findall(r"""\bsay\(\s*["'`]([\w.]+)["'`]""", module.read_text("utf-8"))
        assert set(asked) <= known, f"{module.name} asks for {sorted(set(asked) - known)}"


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.name)
def test_a_module_is_short_and_asks_nobody_else(file):
    text = file.read_text("utf-8")
    assert len(text.splitlines()) <= LINES
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)


def test_the_modules_parse(tmp_path):
    for module in MODULES:
        copy = tmp_path / f"{module.stem}.mjs"  # node takes the ending for the kind of module
        copy.write_bytes(module.read_bytes())
    node = need("node", "nodejs")
    check = (
        "for (const f of process.argv.slice(1)) require('child_process').execFileSync(process.execPath, ['--check', f])"
    )
    subprocess.run([node, "-e", check, *map(str, sorted(tmp_path.glob("*.mjs")))], check=True, timeout=50)
