"""What technicians read stands in one dictionary, in both languages; no sentence of the wizard is written anywhere else."""

import ast
import string
from pathlib import Path

import pytest

from pantau.node import words
from pantau.node.words import language, say

HOST = Path(words.__file__).resolve().parents[1]
WIZARD = [
    *(HOST / "cli" / "node" / f"{name}.py" for name in ("provision", "setup", "_provision_ask", "_setup_steps")),
    *(HOST / "node" / f"{name}.py" for name in ("provision", "office", "reach", "batch", "siteconfig")),
]
SPEAKERS = {
    "echo", "secho", "note", "tell", "prompt", "confirm", "_note", "_already", "print", "progressbar",
    "UsageError", "FailedError", "RefusedError", "UnreachedError", "MissingError", "ClickException",
}  # fmt: skip


def fields(text):
    return sorted({name for _, name, _, _ in string.Formatter().parse(text) if name is not None})


def test_every_sentence_is_there_in_both_languages_with_the_same_places():
    every = words._words()
    assert len(every) > 100
    for key, sentences in every.items():
        english, indonesian = sentences
        assert english.strip() and indonesian.strip(), key
        assert fields(english) == fields(indonesian), key


def test_every_topic_keeps_to_its_own_keys():
    seen = {}
    for file in (HOST / "node").glob("words_*.py"):
        table = next(node for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.Assign))
        for key in (ast.literal_eval(one) for one in getattr(table.value, "keys", ()) if one is not None):
            assert key not in seen, f"{key} in {file.name} and {seen[key]}"
            seen[key] = file.name


@pytest.mark.parametrize("file", WIZARD, ids=lambda file: file.stem)
def test_the_wizard_says_nothing_that_is_not_in_the_dictionary(file):
    for sentence in hard_coded(ast.parse(file.read_text("utf-8"))):
        raise AssertionError(f"{file.name}: {sentence!r} belongs into words_setup.py or words_provision.py")


def hard_coded(tree):
    """Texts with a space in what is said to people: keys of the dictionary, glue and formats have none."""
    for call in ast.walk(tree):
        name = getattr(getattr(call, "func", None), "attr", getattr(getattr(call, "func", None), "id", ""))
        if isinstance(call, ast.Call) and name in SPEAKERS:
            for one in [*call.args, *(word.value for word in call.keywords if word.arg in {"label", "text"})]:
                for part in ast.walk(one):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str) and " " in part.value.strip():
                        yield part.value


def test_a_sentence_in_the_code_is_found():
    found = list(hard_coded(ast.parse("note(f'Plug it in, {name}', as_json=x)\nnote(say('setup.step', lang))")))
    assert found == ["Plug it in, "]


@pytest.mark.parametrize("file", WIZARD, ids=lambda file: file.stem)
def test_every_key_that_the_wizard_uses_is_there(file):
    known = words._words()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            topic, dot, rest = node.value.partition(".")
            if topic in {"provision", "setup"} and dot and rest.replace("_", "").isalpha():
                assert node.value in known or any(key.startswith(node.value) for key in known), node.value


def test_the_language_is_the_one_that_is_asked_for(monkeypatch):
    monkeypatch.setenv("LANG", "id_ID.UTF-8")
    monkeypatch.delenv("PANTAU_LANG", raising=False)
    assert (language(), language("en")) == ("id", "en")
    monkeypatch.setenv("PANTAU_LANG", "en")
    assert language() == "en"
    assert say("setup.step", "id", n=1, m=6, what="x") == "Langkah 1 dari 6: x"
