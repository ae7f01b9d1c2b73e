"""Every shipped component keeps every promise of the contracts.

Components come from the registry, so a new one is checked as soon as it is listed; it only
needs an example spelling here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedding_server import EmbeddingServer
from v2t_bench.conformance import (
    ATTACK_CHECKS,
    DEFENSE_CHECKS,
    EMBEDDER_CHECKS,
    RECIPE_CHECKS,
    AttackCheck,
    DefenseCheck,
    EmbedderCheck,
    RecipeCheck,
)
from v2t_bench.conformance.embedders import (
    ignores_the_global_seed,
    leaves_global_randomness_alone,
)
from v2t_bench.contracts import KINDS, BuildContext, Embedder, Kind, Secret, Vectors
from v2t_bench.errors import V2TError
from v2t_bench.lesson import taught_by
from v2t_bench.registry import Registry, discover
from v2t_bench.spelling import parse
from v2t_bench.threat import Oracle
from v2t_bench.training import Lesson, School
from v2t_bench.vectors import VectorCache

# A word in braces stands for a path that a fixture fills: a tiny model, some texts, or the
# checkpoint of the learned attack of that name.
EXAMPLES: dict[tuple[Kind, str], tuple[str, ...]] = {
    ("embedders", "gtr-base"): ('gtr-base:"{tiny_gtr}"',),
    ("embedders", "gtr-base-st"): ('gtr-base-st:"{tiny_gtr}"',),
    ("embedders", "hashed"): ("hashed", "hashed:dim=7"),
    ("embedders", "lsa"): ('lsa:"{tiny_texts}",dim=6',),
    ("embedders", "minilm"): ("minilm",),
    ("embedders", "openai"): ("openai:tiny", "openai:text-embedding-3-small,dimensions=16"),
    ("embedders", "st"): ('st:"{tiny_model}"',),
    ("embedders", "static"): ('static:"{tiny_static}"', 'static:"{tiny_model}",dim=8'),
    ("defenses", "center"): ("center",),
    ("defenses", "clip"): ("clip:0.1",),
    ("defenses", "mask"): ("mask:2",),
    ("defenses", "none"): ("none",),
    ("defenses", "noise"): (
        "noise:0",
        "noise:0.01",
        "noise:2,on=documents",
        "noise:2,on=queries",
        "noise:1,normalize=true",
    ),
    ("defenses", "laplace"): ("laplace:400", "laplace:20,on=documents"),
    ("defenses", "vmf"): ("vmf:0", "vmf:500", "vmf:1e8", "vmf:100,on=queries"),
    ("defenses", "rotate"): ("rotate",),
    ("defenses", "permute"): ("permute",),
    ("defenses", "scale"): ("scale", "scale:3"),
    ("defenses", "dcpe"): ("dcpe:0.5",),
    ("defenses", "normalize"): ("normalize",),
    ("defenses", "opaque"): ("opaque:ckks",),
    ("defenses", "pca"): ("pca:3",),
    ("defenses", "quantize"): ("quantize:int8", "quantize:int4", "quantize:binary"),
    ("defenses", "random_projection"): ("random_projection:5", "random_projection:9,seed=2"),
    ("defenses", "topk"): ("topk:4", "topk:64"),
    ("defenses", "truncate"): ("truncate:7", "truncate:64"),
    ("attacks", "aligner"): (
        'aligner:linear,target=hashed,inverter=[nearest:checkpoint="{nearest}"],'
        'checkpoint="{aligner}"',
    ),
    ("attacks", "silent"): ("silent",),
    ("attacks", "nearest"): ('nearest:checkpoint="{nearest}"',),
    ("attacks", "prior"): ('prior:[bow:checkpoint="{bow}"]',),
    ("attacks", "shuffled"): ('shuffled:[bow:checkpoint="{bow}"]',),
    ("attacks", "bow"): ('bow:checkpoint="{bow}"',),
    ("attacks", "gpt2"): (
        'gpt2:checkpoint="{gpt2}"',
        'gpt2:greedy,checkpoint="{gpt2}"',
        'gpt2:nucleus,p=0.8,checkpoint="{gpt2}"',
        'prior:[gpt2:checkpoint="{gpt2}"]',
    ),
    ("attacks", "search"): (
        'search:queries=40,checkpoint="{search}"',
        'search:queries=9,beam=1,fluency=0,restarts=0,init=[silent],checkpoint="{search}"',
    ),
    ("attacks", "vec2text"): ('vec2text:steps=2,checkpoint="{vec2text}"',),
}

# Training is only to fill a folder that can be loaded. The logits of an untrained network are
# so close together that the last bits, which change with the batch, decide what it writes.
STEPS = {"gpt2": 60, "vec2text": 60}
FEWEST_STEPS = 3
OPTIONS: dict[str, dict[str, str]] = {
    "gpt2": {"vocabulary": "400"},
    "vec2text": {"vocabulary": "400", "hypotheses": "20"},
}
TAUGHT = {"aligner": "aligner:linear,target=hashed"}

SHIPPED = discover(strangers=())


def shipped(kind: Kind) -> list[str]:
    """Return the examples of every shipped component of a kind."""
    names = [entry.recipe.name for entry in SHIPPED.entries(kind)]
    return [example for name in names for example in EXAMPLES.get((kind, name), ())]


Fill = Callable[[str], str]


@pytest.fixture(scope="session")
def fill(
    registry: Registry,
    context: BuildContext,
    embedder: Embedder,
    texts: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Fill:
    """A function that replaces what stands in braces by a folder, filled at first use."""
    place = tmp_path_factory.mktemp("checkpoints")
    school = School(
        registry=registry,
        embedder=embedder,
        embedder_text="hashed",
        context=context,
        cache=VectorCache(place / "vectors"),
    )

    @cache
    def folder(name: str) -> Path:
        if name in ("tiny_gtr", "tiny_model", "tiny_static", "tiny_texts"):
            model: Path = request.getfixturevalue(name)
            return model
        lesson = Lesson(
            attack=name,
            texts=texts,
            trained_on="tiny",
            max_tokens=16,
            size="tiny",
            steps=STEPS.get(name, FEWEST_STEPS),
            batch_size=8,
            options=OPTIONS.get(name, {}),
            taught=taught_by(registry, parse(TAUGHT.get(name, name))),
        )
        return school.train(lesson, place / name).folder

    class Folders(dict[str, str]):
        def __missing__(self, name: str) -> str:
            return str(folder(name))

    return lambda example: example.format_map(Folders())


@pytest.fixture(scope="session", autouse=True)
def server() -> Iterator[None]:
    """The endpoint that the environment names: one on this machine."""
    with EmbeddingServer() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", running.address)
        patch.setenv("OPENAI_API_KEY", running.key)
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


# What building and the first use do shows on a new component only.
NEEDS_NEW_ONES = (leaves_global_randomness_alone, ignores_the_global_seed)


@pytest.fixture(scope="session")
def loaded(registry: Registry, context: BuildContext, fill: Fill) -> Callable[[str], Any]:
    """A function that returns a function that hands out two embedders in turn.

    So models are loaded twice a session, not twice a check.
    """

    @cache
    def make(example: str) -> Callable[[], Embedder]:
        pair = [registry.build("embedders", fill(example), context) for _ in range(2)]
        return cycle(pair).__next__

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_every_shipped_component_has_an_example(kind: Kind) -> None:
    names = {entry.recipe.name for entry in SHIPPED.entries(kind)}
    assert names - {name for of, name in EXAMPLES if of == kind} == set()


def test_everything_shipped_is_listed_without_a_problem() -> None:
    assert SHIPPED.problems == []


@pytest.mark.parametrize("check", EMBEDDER_CHECKS)
@pytest.mark.parametrize("example", shipped("embedders"))
def test_an_embedder_keeps_its_promise(
    example: str,
    check: EmbedderCheck,
    registry: Registry,
    context: BuildContext,
    fill: Fill,
    loaded: Callable[[str], Any],
) -> None:
    if check in NEEDS_NEW_ONES:
        check(lambda: registry.build("embedders", fill(example), context))
    else:
        check(loaded(example))


@pytest.mark.parametrize("check", DEFENSE_CHECKS)
@pytest.mark.parametrize("example", shipped("defenses"))
def test_a_defense_keeps_its_promise(
    example: str, check: DefenseCheck, registry: Registry, context: BuildContext, vectors: Vectors
) -> None:
    name = registry.wants_secret("defenses", example.partition(":")[0])

    def make(secret: Secret) -> Any:
        return registry.build("defenses", example, context, **({name: secret} if name else {}))

    check(make, vectors)


@pytest.mark.parametrize("check", ATTACK_CHECKS)
@pytest.mark.parametrize("example", shipped("attacks"))
def test_an_attack_keeps_its_promise(
    example: str,
    check: AttackCheck,
    registry: Registry,
    context: BuildContext,
    fill: Fill,
    embedder: Embedder,
) -> None:
    check(lambda: registry.build("attacks", fill(example), context), embedder)


@pytest.mark.parametrize("check", RECIPE_CHECKS)
@pytest.mark.parametrize(
    ("kind", "example"), [(of, examples[0]) for (of, _), examples in EXAMPLES.items()]
)
def test_a_recipe_keeps_its_promise(
    kind: Kind, example: str, check: RecipeCheck, registry: Registry, fill: Fill
) -> None:
    check(registry, kind, fill(example))


@pytest.mark.parametrize(
    "name", [e.recipe.name for e in SHIPPED.entries("attacks") if e.recipe.learned]
)
def test_a_learned_attack_without_a_checkpoint_says_so(
    name: str, registry: Registry, context: BuildContext, vectors: Vectors, oracle: Oracle
) -> None:
    with pytest.raises(V2TError, match=r"train|checkpoint"):
        registry.build("attacks", name, context).invert(vectors, oracle)


def test_noise_is_the_same_to_the_last_bit_in_any_batch(
    registry: Registry, context: BuildContext, vectors: Vectors, ids: list[str]
) -> None:
    noise = registry.build("defenses", "noise:0.5", context, secret=Secret.from_seed(3))
    together = noise.protect(vectors, role="document", ids=ids)
    alone = [
        noise.protect(vectors[row : row + 1], role="document", ids=ids[row : row + 1])
        for row in reversed(range(len(ids)))
    ]
    np.testing.assert_array_equal(together, np.concatenate(alone[::-1]))
