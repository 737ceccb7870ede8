"""What the pages tell people to type exists, and what they link to is there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pantau.cli import pantau

ROOT = Path(__file__).resolve().parents[2]
PANTAU = Path(sys.executable).parent / "pantau"
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "schemas").glob("*.md")})
TARGETS = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def code(page):
    """Every line of code on a page: fenced blocks and single back-quotes."""
    for block, quoted in CODE.findall(page.read_text(encoding="utf-8")):
        yield from (block or quoted).splitlines()


def typed(program):
    """(page, words) of every line of code that runs `program`, comments and prompts taken off."""
    found = {}
    for page in PAGES:
        if page.name == "FORMAT.md":  # its code is bytes and labels
            continue
        for line in code(page):
            line = line.strip().removeprefix("$ ").split("  #")[0].removeprefix(".venv/bin/")
            if re.match(rf"{program}( |$)", line):
                words = shlex.split(line)[1:]
                found[f"{page.relative_to(ROOT)}: {line}"] = words
    return found


@pytest.mark.parametrize("line", typed("make"))
def test_make_targets_exist(line):
    words = typed("make")[line]
    wanted = {word for word in words if re.fullmatch("[a-z]+", word)}
    assert wanted <= TARGETS


def commands():
    """The distinct `pantau a b` of all pages, up to the first option or argument."""
    found = {}
    for line, words in typed("pantau").items():
        path = []
        for word in words:
            if not re.fullmatch(r"[a-z]+(\|[a-z]+)*", word):
                break
            path.append(word)
        for last in path[-1].split("|") if path else []:
            found.setdefault((*path[:-1], last), line)
    return found


def test_commands_exist():
    missing = {}
    for words, line in commands().items():
        here = pantau
        for word in words:
            if not isinstance(here, click.Group):
                break  # an argument
            here = here.get_command(click.Context(here), word)
            if here is None:
                missing[shlex.join(words)] = line
                break
    assert not missing


HARMLESS = ("frame explain", "sensor decode", "sensor list")
EXAMPLES = {
    line: words
    for line, words in typed("pantau").items()
    if " ".join(words[:2]) in HARMLESS and (len(words) > 2 or words[1] == "list") and "HEX" not in words
}


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_that_change_nothing_run(line):
    done = subprocess.run([PANTAU, *EXAMPLES[line]], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_has_an_example_of_each():
    shown = {" ".join(words[:2]) for line, words in EXAMPLES.items() if line.startswith("README.md")}
    assert shown == set(HARMLESS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_are_there(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not t.startswith("mailto:") and not (page.parent / t).exists()]
    assert not missing


def test_every_target_is_in_help_and_documented():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True).stdout
    wanted = {"help", "setup", "servers", "demo", "test", "long", "check", "gen", "bench"}
    assert wanted <= TARGETS
    assert all(f"make {target} " in shown for target in TARGETS)
