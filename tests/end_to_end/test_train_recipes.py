"""What train makes of a recipe, of the demo's texts, and of mixed lengths."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from end_to_end.commands import Invoke, refused
from v2t_bench.cli.train_verb import command
from v2t_bench.corpora.demo import demo_training_texts
from v2t_bench.errors import BadInput
from v2t_bench.lesson import Lesson
from v2t_bench.training import School
from v2t_plugins.attacks.vec2text.choices import Choices
from v2t_plugins.attacks.vec2text.trainings import TRAININGS

Taught = Callable[..., Lesson]


@pytest.fixture
def taught(invoke: Invoke, texts_file: Path, monkeypatch: pytest.MonkeyPatch) -> Taught:
    """Return the lesson that a command line would have taught."""
    lessons: list[Lesson] = []

    def train(self: School, lesson: Lesson, out: Path) -> None:
        lessons.append(lesson)
        raise BadInput("enough is known")

    monkeypatch.setattr(School, "train", train)

    def taught(*more: object, attack: str = "vec2text", texts: bool = True) -> Lesson:
        given = ["--texts", texts_file] if texts else []
        done = invoke("train", attack, *given, "--embedder", "hashed", "--device", "cpu", *more)
        assert "enough is known" in done.err, done.err
        return lessons[-1]

    return taught


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A recipe none of whose settings is the usual one."""
    settings = {"size": "base", "max_tokens": 8, "steps": 5, "batch_size": 3, "seed": 9,
                "fast_vectors": True, "min_tokens": 2,
                "options": {"lexical": "none", "rounds": "3"}}  # fmt: skip
    monkeypatch.setitem(TRAININGS, "odd", settings)
    return settings


def test_a_recipe_sets_what_is_not_given(taught: Taught, odd: dict[str, Any]) -> None:
    lesson = taught("--recipe", "odd")
    assert {name: getattr(lesson, name) for name in odd} == odd
    plain = taught()
    assert {name: getattr(plain, name) for name in odd} == {
        "size": "small", "max_tokens": 32, "steps": None, "batch_size": None, "seed": 0,
        "fast_vectors": False, "min_tokens": None, "options": {},
    }  # fmt: skip


def test_what_is_given_besides_has_precedence_even_where_it_is_the_usual(
    taught: Taught, odd: dict[str, Any]
) -> None:
    lesson = taught("--recipe", "odd", "--size", "small", "--max-tokens", 32, "--seed", 0,
                    "--batch-size", 7)  # fmt: skip
    found = lesson.size, lesson.max_tokens, lesson.seed, lesson.batch_size
    assert found == ("small", 32, 0, 7)
    assert (lesson.steps, lesson.min_tokens) == (5, 2)


def test_a_budget_that_is_given_replaces_that_of_the_recipe(
    taught: Taught, odd: dict[str, Any]
) -> None:
    lesson = taught("--recipe", "odd", "--minutes", 2)
    assert (lesson.steps, lesson.minutes) == (None, 2)
    lesson = taught("--recipe", "odd", "--steps", 4)
    assert (lesson.steps, lesson.minutes) == (4, None)


def test_options_are_merged_and_those_given_win(taught: Taught, odd: dict[str, Any]) -> None:
    lesson = taught("--recipe", "odd", "--option", "rounds=1", "--option", "init=random")
    assert lesson.options == {"lexical": "none", "rounds": "1", "init": "random"}
    assert odd["options"] == {"lexical": "none", "rounds": "3"}


def test_the_shipped_recipe_is_taught_whole(taught: Taught) -> None:
    lesson = taught("--recipe", "minilm")
    settings = TRAININGS["minilm"]
    assert {name: getattr(lesson, name) for name in settings} == settings
    assert lesson.options["shared"] == "true"


@pytest.mark.parametrize("name", sorted(TRAININGS))
def test_a_recipe_sets_only_what_train_and_the_attack_know(name: str) -> None:
    settings = TRAININGS[name]
    assert set(settings) <= {parameter.name for parameter in command.params}
    assert set(settings["options"]) <= set(Choices.__dataclass_fields__)


@pytest.mark.parametrize(("attack", "known"), [("vec2text", "minilm, demo"), ("bow", "none")])
def test_an_unknown_recipe_is_refused(
    invoke: Invoke, texts_file: Path, attack: str, known: str
) -> None:
    done = invoke("train", attack, "--texts", texts_file, "--recipe", "maxilm")
    refused(done, f"{attack} has no training recipe 'maxilm' (known: {known})")


def test_info_tells_the_recipes(invoke: Invoke) -> None:
    done = invoke("info", "attacks", "vec2text")
    told = [line for line in done.out.splitlines() if line.startswith("training recipe")]
    assert len(told) == len(TRAININGS)
    assert "minilm: size=small, max_tokens=32, min_tokens=4" in told[0]
    assert "demo: demo=True, size=tiny" in told[1]


def test_the_demo_is_trained_on_whole_and_by_name(taught: Taught) -> None:
    lesson = taught("--demo", texts=False, attack="bow")
    assert lesson.trained_on == "demo"
    assert list(lesson.texts) == list(demo_training_texts())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "give --texts FILE, or --demo, and not both"),
        (["--demo", "--texts"], "give --texts FILE, or --demo, and not both"),
        (["--demo", "--n-texts", 50], "leave --n-texts out"),
    ],
)
def test_texts_are_given_in_one_way(
    invoke: Invoke, texts_file: Path, more: list[object], message: str
) -> None:
    given = [*more, texts_file] if more[-1:] == ["--texts"] else more
    refused(invoke("train", "bow", "--embedder", "hashed", *given), message)


def test_dev_texts_are_read_beside_the_texts_and_no_more_than_a_thousand(
    taught: Taught, tmp_path: Path
) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("".join(f"one {n}\n" for n in range(900)))
    other.write_text("".join(f"other {n}\n" for n in range(900)))
    lesson = taught("--dev", one, "--dev", other)
    assert list(lesson.dev) == [f"{name} {n}" for n in range(500) for name in ("one", "other")]
    assert not set(lesson.dev) & set(lesson.texts)
    assert taught().dev == ()


def test_lengths_and_precision_are_told_and_recorded(
    invoke: Invoke, texts_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("v2t_bench.training.has_fast_bfloat16", lambda device: True)
    out = tmp_path / "out"
    done = invoke("train", "nearest", "--texts", texts_file, "--embedder", "hashed", "--device",
                  "cpu", "--min-tokens", 3, "--max-tokens", 12, "--fast-vectors",
                  "-o", out)  # fmt: skip
    assert done.status == 0, done.err
    record = json.loads((out / "checkpoint.json").read_text())
    assert (record["min_tokens"], record["max_tokens"]) == (3, 12)
    card = (out / "README.md").read_text()
    assert "cut at 3 to 12 tokens" in card
    assert "bfloat16" in card


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--min-tokens", 17], "min_tokens=17 is more than half of max_tokens=32"),
        (["--min-tokens", 0], "--min-tokens"),
        (["--option", "begin=nowhere"], "begin=nowhere holds no checkpoint of vec2text"),
        (["--option", "optimizer=sgd"], "optimizer='sgd' is none of adamw, muon"),
        (["--dev", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_what_cannot_be_begun_is_refused_in_one_line(
    invoke: Invoke, texts_file: Path, tmp_path: Path, more: list[object], message: str
) -> None:
    done = invoke("train", "vec2text", "--texts", texts_file, "--embedder", "hashed", "--device",
                  "cpu", "-o", tmp_path / "out", *more)  # fmt: skip
    refused(done, message)
    assert not (tmp_path / "out").exists()
