from __future__ import annotations

import dataclasses
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from v2t_bench.contracts import BuildContext, Embedder, TrainContext, TrainReport, Vectors
from v2t_bench.errors import (
    BadInput,
    BadParameter,
    BrokenPromise,
    CorruptArtifact,
    MissingCheckpoint,
    SpaceMismatch,
)
from v2t_bench.registry import Registry
from v2t_bench.scoring.cosine import cosine_per_pair
from v2t_bench.spelling import parse
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.vec2text import Vec2Text
from v2t_plugins.attacks.vec2text.generate import write_greedily
from v2t_plugins.attacks.vec2text.lexical import fit_ridge
from v2t_plugins.attacks.vec2text.model import (
    IGNORED,
    Corrector,
    Inverter,
    NetworkConfig,
)
from v2t_plugins.attacks.vec2text.networks import Networks
from v2t_plugins.attacks.vec2text.output_layer import FLOOR
from v2t_plugins.attacks.vec2text.search import Search
from v2t_plugins.training import seeded

SMALL: dict[str, Any] = {"d_model": 16, "layers": 1, "heads": 2, "d_ff": 32, "dropout": 0.0}
# In bfloat16, what a toy learns differs between processors.
OPTIONS = {
    "vocabulary": "400",
    "pseudo_tokens": "4",
    "learning_rate": "0.005",
    "precision": "float32",
}


def toy_language() -> list[str]:
    """400 sentences of which every word is free, in a shuffled order."""
    who = ("Ann", "Bob", "Carl", "Dora", "Emil")
    does = ("sells", "paints", "forgets", "buys")
    what = ("a red door", "two maps", "the morning news", "old bread", "blue glass")
    when = ("on Monday.", "before dawn.", "with great care.", "again.")
    texts = [" ".join(words) for words in product(who, does, what, when)]
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(texts))
    return [texts[index] for index in order]


def search(
    networks: Networks,
    vectors: Vectors,
    oracle: Oracle,
    *,
    steps: int,
    batch_size: int,
    **more: Any,
) -> list[str]:
    looking = Search(networks=networks, oracle=oracle, steps=steps, batch_size=batch_size, **more)
    return [trace.text for trace in looking.run(vectors)]


def ask(embedder: Embedder) -> Oracle:
    return Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)


def train_context(path: Path, **more: Any) -> TrainContext:
    folder, work = path / "folder", path / "work"
    folder.mkdir(parents=True)
    work.mkdir()
    options = OPTIONS | more.pop("options", {})
    settings: dict[str, Any] = {"size": "tiny", "steps": 100, "batch_size": 32} | more
    return TrainContext(folder=folder, work=work, max_tokens=32, options=options, **settings)


@pytest.fixture(scope="module")
def toy(
    embedder: Embedder, context: BuildContext, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainReport]:
    """An attack trained on 320 of the 400 sentences."""
    place = train_context(tmp_path_factory.mktemp("toy"))
    report = Vec2Text(context=context).train(toy_language()[:320], ask(embedder), place)
    return place.folder, report


@pytest.fixture(scope="module")
def networks(toy: tuple[Path, TrainReport]) -> Networks:
    return Networks.load(toy[0])


@pytest.fixture(scope="module")
def held_out(embedder: Embedder) -> tuple[list[str], Vectors]:
    texts = toy_language()[320:360]
    return texts, embedder.embed(texts, "document")


def moved_off(vectors: Vectors, seed: int = 0) -> Vectors:
    """Return vectors that no text lands on, so that the first guess is not the text."""
    noise = np.random.Generator(np.random.PCG64(seed)).normal(0, 0.15, vectors.shape)
    return (vectors + noise).astype(np.float32)


def words_right(guesses: list[str], texts: list[str]) -> float:
    """Return the mean share of a text's words that the guess holds, from 0 to 1."""
    shares = [
        len(set(guess.split()) & set(text.split())) / len(set(text.split()))
        for guess, text in zip(guesses, texts, strict=True)
    ]
    return float(np.mean(shares))


def build(folder: Path, context: BuildContext, **more: Any) -> Vec2Text:
    return Vec2Text(checkpoint=folder, context=context, **more)


def test_it_learns_what_shuffled_vectors_cannot_teach(
    toy: tuple[Path, TrainReport],
    held_out: tuple[list[str], Vectors],
    embedder: Embedder,
    context: BuildContext,
) -> None:
    texts, vectors = held_out
    attack = build(toy[0], context, steps=5)
    right = words_right(attack.invert(vectors, ask(embedder)), texts)
    shuffled = words_right(attack.invert(vectors[::-1].copy(), ask(embedder)), texts)
    assert right > shuffled + 0.3


def test_no_steps_is_the_base_model_and_asks_nothing(
    toy: tuple[Path, TrainReport],
    networks: Networks,
    held_out: tuple[list[str], Vectors],
    embedder: Embedder,
    context: BuildContext,
) -> None:
    oracle = ask(embedder)
    guesses = build(toy[0], context, steps=0).invert(held_out[1], oracle)
    assert guesses == networks.first_guesses(held_out[1])
    assert oracle.texts_asked == 0


def test_more_steps_never_come_out_further_away(
    networks: Networks, held_out: tuple[list[str], Vectors], embedder: Embedder
) -> None:
    _, vectors = held_out
    closeness = []
    for steps in (0, 1, 2, 4, 12):
        guesses = search(networks, vectors, ask(embedder), steps=steps, batch_size=64)
        closeness.append(cosine_per_pair(embedder.embed(guesses, "document"), vectors))
    assert all((later >= earlier - 1e-6).all() for earlier, later in pairwise(closeness))


def test_a_row_going_in_circles_costs_no_more_questions(
    networks: Networks, held_out: tuple[list[str], Vectors], embedder: Embedder
) -> None:
    few, many = ask(embedder), ask(embedder)
    search(networks, held_out[1], few, steps=200, batch_size=64, samples=0)
    search(networks, held_out[1], many, steps=400, batch_size=64, samples=0)
    assert few.texts_asked == many.texts_asked < 40 * 200


def test_a_row_does_not_depend_on_its_batch(
    networks: Networks, held_out: tuple[list[str], Vectors], embedder: Embedder
) -> None:
    # Moved off, so that no row arrives and every row comes to draw by chance.
    vectors = moved_off(held_out[1])
    one = search(networks, vectors, ask(embedder), steps=6, batch_size=1)
    all_at_once = search(networks, vectors, ask(embedder), steps=6, batch_size=64)
    backwards = search(networks, vectors[::-1].copy(), ask(embedder), steps=6, batch_size=64)
    assert one == all_at_once == backwards[::-1]
    assert one != search(networks, vectors, ask(embedder), steps=6, batch_size=1, samples=0)


def test_samples_come_closer_where_corrections_come_to_rest(
    networks: Networks, held_out: tuple[list[str], Vectors], embedder: Embedder
) -> None:
    vectors = moved_off(held_out[1])
    closeness = []
    for samples in (0, 4):
        asking = ask(embedder)
        texts = search(networks, vectors, asking, steps=8, batch_size=64, samples=samples)
        closeness.append(cosine_per_pair(embedder.embed(texts, "document"), vectors))
        assert asking.texts_asked <= len(vectors) * (2 + 8 * max(samples, 1))
    assert (closeness[1] >= closeness[0] - 1e-6).all()
    assert (closeness[1] > closeness[0] + 0.01).any()


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
@pytest.mark.parametrize("beam", [1, 2])
def test_it_inverts_in_another_precision(
    beam: int,
    dtype: Any,
    toy: tuple[Path, TrainReport],
    held_out: tuple[list[str], Vectors],
    embedder: Embedder,
    context: BuildContext,
) -> None:
    texts, vectors = held_out
    attack = build(toy[0], context, steps=2, beam=beam, dtype=dtype)
    assert words_right(attack.invert(vectors, ask(embedder)), texts) > 0.4


@pytest.mark.parametrize("beam", [2, 4])
def test_more_beams_come_closer_on_the_whole(
    beam: int, networks: Networks, held_out: tuple[list[str], Vectors], embedder: Embedder
) -> None:
    # Without draws by chance, of which a narrow search needs fewer; off in three ways.
    vectors = np.concatenate([moved_off(held_out[1], seed) for seed in range(3)])
    narrow = search(networks, vectors, ask(embedder), steps=4, batch_size=64, samples=0)
    wide = search(networks, vectors, ask(embedder), steps=4, batch_size=64, beam=beam, samples=0)
    before = cosine_per_pair(embedder.embed(narrow, "document"), vectors)
    after = cosine_per_pair(embedder.embed(wide, "document"), vectors)
    assert after.mean() > before.mean()


@pytest.mark.parametrize("start", ["random", "door*5", "Ann buys a red door."])
def test_another_start_is_corrected(
    start: str,
    toy: tuple[Path, TrainReport],
    held_out: tuple[list[str], Vectors],
    embedder: Embedder,
    context: BuildContext,
) -> None:
    texts, vectors = held_out
    attack = build(toy[0], context, steps=5, start=start)
    traces = attack.invert_traced(vectors, ask(embedder))
    again = attack.invert_traced(vectors[::-1].copy(), ask(embedder))
    assert [trace.text for trace in traces] == [trace.text for trace in again[::-1]]
    if start != "random":
        first = " ".join(["door"] * 5) if "*" in start else start
        assert {trace.rounds[0].text for trace in traces} == {first}
    started = words_right([trace.rounds[0].text for trace in traces], texts)
    assert words_right([trace.text for trace in traces], texts) > started + 0.1


@pytest.mark.parametrize("start", ["", " ", "x*0"])
def test_a_start_that_says_nothing_is_refused(
    start: str, toy: tuple[Path, TrainReport], embedder: Embedder, context: BuildContext
) -> None:
    with pytest.raises(BadParameter, match="start"):
        build(toy[0], context, start=start).invert(np.ones((1, 64), np.float32), ask(embedder))


def test_without_feedback_the_guess_lands_on_the_target(
    toy: tuple[Path, TrainReport],
    held_out: tuple[list[str], Vectors],
    embedder: Embedder,
    context: BuildContext,
) -> None:
    _, vectors = held_out
    answers = []
    for feedback in (None, True, False):
        attack = build(toy[0], context, steps=1, start="Ann buys", feedback=feedback)
        answers.append(attack.invert(vectors, ask(embedder)))
    assert answers[0] == answers[1] != answers[2]


class Says:
    """Another attack: says what it is told to, and asks ``asks`` texts."""

    def __init__(self, texts: list[str], asks: int = 0) -> None:
        self.texts, self.asks = texts, asks

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        oracle.embed(["?"] * self.asks)
        vectors[:] = 0  # its own copy
        return self.texts


def beside(attack: Any, context: BuildContext) -> BuildContext:
    """Return the context in which ``init=says`` is ``attack``."""

    def build(kind: str, spelling: Any) -> Any:
        assert (kind, spelling) == ("attacks", parse("says"))
        return attack

    return dataclasses.replace(context, build=build)


def test_the_answer_of_another_attack_is_kept_where_it_is_perfect(
    toy: tuple[Path, TrainReport],
    held_out: tuple[list[str], Vectors],
    embedder: Embedder,
    context: BuildContext,
) -> None:
    texts, vectors = held_out
    before, oracle = vectors.copy(), ask(embedder)
    beginning = beside(Says(texts, asks=7), context)
    attack = build(toy[0], beginning, steps=3, guesses=1, init=parse("says"))
    assert attack.invert(vectors, oracle) == texts
    np.testing.assert_array_equal(vectors, before)
    # What the other asked, each text, and each of the base model's guesses that is not one.
    own = build(toy[0], context, steps=0).invert(vectors, ask(embedder))
    assert oracle.texts_asked == 7 + len({*texts, *own})


def test_the_answer_of_another_attack_does_no_harm_where_it_is_bad(
    toy: tuple[Path, TrainReport],
    held_out: tuple[list[str], Vectors],
    embedder: Embedder,
    context: BuildContext,
) -> None:
    vectors = held_out[1]
    without = build(toy[0], context, steps=3).invert(vectors, ask(embedder))
    for text in ("", "nothing like it at all, nowhere"):
        beginning = beside(Says([text] * len(vectors)), context)
        attack = build(toy[0], beginning, steps=3, init=parse("says"))
        assert attack.invert(vectors, ask(embedder)) == without


def test_another_attack_that_says_too_little_is_named(
    toy: tuple[Path, TrainReport],
    held_out: tuple[list[str], Vectors],
    embedder: Embedder,
    context: BuildContext,
) -> None:
    attack = build(toy[0], beside(Says(["one"]), context), init=parse("says"))
    with pytest.raises(BrokenPromise, match="says"):
        attack.invert(held_out[1], ask(embedder))


@pytest.mark.parametrize("more", [{"steps": 0}, {"search": "parity"}, {"start": "random"}])
def test_the_answer_of_another_attack_is_refused_where_nothing_begins_at_it(
    more: dict[str, Any], context: BuildContext
) -> None:
    with pytest.raises(BadParameter, match="init="):
        Vec2Text(context=context, init=parse("says"), **more)


def test_no_vectors_give_no_guesses(
    toy: tuple[Path, TrainReport], embedder: Embedder, context: BuildContext
) -> None:
    nothing = np.empty((0, embedder.dim), dtype=np.float32)
    assert build(toy[0], context).invert(nothing, ask(embedder)) == []


def test_vectors_of_another_dimension_are_refused(
    toy: tuple[Path, TrainReport], embedder: Embedder, context: BuildContext
) -> None:
    with pytest.raises(SpaceMismatch, match="64 dimensions"):
        build(toy[0], context).invert(np.ones((1, 7), dtype=np.float32), ask(embedder))


def test_an_untrained_attack_says_so(embedder: Embedder, context: BuildContext) -> None:
    with pytest.raises(MissingCheckpoint):
        Vec2Text(context=context).invert(np.ones((1, 64), dtype=np.float32), ask(embedder))


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": -1},
        {"beam": 0},
        {"guesses": 0},
        {"guesses": 10**8},
        {"samples": -1},
        {"fluency": -0.1},
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any], context: BuildContext) -> None:
    with pytest.raises(BadParameter):
        Vec2Text(context=context, **wrong)


@pytest.mark.parametrize(
    "wrong", [{"lexicon": "x"}, {"lexical": "x"}, {"vocabulary": "many"}, {"hypotheses": "-1"}]
)
def test_options_that_mean_nothing_are_refused(
    wrong: dict[str, str], embedder: Embedder, context: BuildContext, tmp_path: Path
) -> None:
    place = train_context(tmp_path, options=wrong)
    with pytest.raises(BadParameter):
        Vec2Text(context=context).train(toy_language(), ask(embedder), place)


def test_too_few_texts_are_refused(
    embedder: Embedder, context: BuildContext, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="got 1"):
        Vec2Text(context=context).train(["same"] * 50, ask(embedder), train_context(tmp_path))


def test_only_json_and_safetensors_are_left(toy: tuple[Path, TrainReport]) -> None:
    assert {path.suffix for path in toy[0].iterdir()} == {".json", ".safetensors"}


def test_the_report_holds_the_decisions(toy: tuple[Path, TrainReport]) -> None:
    recipe = toy[1].recipe
    assert (recipe["lexical"], recipe["init"]) == ("ridge", "embedder")
    assert recipe["n_texts"] == 320
    assert {row["stage"] for row in toy[1].curve} == {"base", "corrector"}


@pytest.mark.parametrize(
    "name",
    [
        "base.safetensors",
        "corrector.safetensors",
        "lexical.safetensors",
        "config.json",
        "tokenizer.json",
    ],
)
def test_a_truncated_file_is_refused(
    name: str, toy: tuple[Path, TrainReport], tmp_path: Path
) -> None:
    for path in toy[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = tmp_path / name
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    with pytest.raises(CorruptArtifact, match=name):
        Networks.load(tmp_path)


def test_a_config_of_another_network_is_refused(
    toy: tuple[Path, TrainReport], tmp_path: Path
) -> None:
    for path in toy[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"d_ff": 512', '"d_ff": 256'))
    with pytest.raises(CorruptArtifact, match="does not fit"):
        Networks.load(tmp_path)


@pytest.mark.parametrize("options", [{}, {"lexical": "none", "init": "random"}])
def test_a_repeated_training_leaves_equal_bytes(
    options: dict[str, str], embedder: Embedder, context: BuildContext, tmp_path: Path
) -> None:
    folders = []
    for name in ("1", "2"):
        place = train_context(tmp_path / name, steps=5, options=options)
        Vec2Text(context=context).train(toy_language()[:60], ask(embedder), place)
        folders.append(place.folder)
    first, second = ({path.name: path.read_bytes() for path in each.iterdir()} for each in folders)
    assert first == second


def test_a_resumed_training_asks_for_no_guess_twice(
    embedder: Embedder, context: BuildContext, tmp_path: Path
) -> None:
    place = train_context(tmp_path, steps=5)
    first, second = ask(embedder), ask(embedder)
    Vec2Text(context=context).train(toy_language()[:60], first, place)
    stored = (place.folder / "corrector.safetensors").read_bytes()
    Vec2Text(context=context).train(toy_language()[:60], second, place)
    assert second.texts_asked == first.texts_asked - 60
    assert (place.folder / "corrector.safetensors").read_bytes() == stored


def test_any_dimension_can_be_inverted(
    registry: Registry, context: BuildContext, tmp_path: Path
) -> None:
    seven = registry.build("embedders", "hashed:dim=7", context)
    place = train_context(tmp_path, steps=2)
    Vec2Text(context=context).train(toy_language()[:40], ask(seven), place)
    vectors = seven.embed(["Ann buys two maps"], "document")
    guesses = build(place.folder, context, steps=2).invert(vectors, ask(seven))
    assert len(guesses) == 1


def shape(**more: Any) -> NetworkConfig:
    settings = {"dim": 7, "vocabulary_size": 30, "max_length": 9, "pseudo_tokens": 3} | SMALL
    return NetworkConfig(**(settings | more))


def random_network(kind: type[Any], **more: Any) -> Any:
    with seeded("network"):
        network = kind(shape(**more)).eval()
        if network.lexical is not None:
            network.lexical.weight.normal_(0.05, 0.1)
            torch.nn.init.normal_(network.lexical.bias)
    return network


def some_vectors(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 7, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("lexical_words", [0, 5])
def test_writing_agrees_with_the_training_loss(lexical_words: int) -> None:
    network = random_network(Inverter, lexical_words=lexical_words)
    vectors = some_vectors(3)
    with torch.no_grad():
        written = write_greedily(network, *network.encode(vectors))
        for row in range(3):
            length = int((written[row] != 0).sum())
            for end in range(1, length + 1):
                losses = []
                for word in range(30):
                    labels = written[row : row + 1, :end].clone()
                    labels[0, end - 1] = word
                    losses.append(float(network(vectors[row : row + 1], labels)["loss"]) * end)
                assert int(np.argmin(losses)) == int(written[row, end - 1])


@pytest.mark.parametrize("lexical_words", [0, 5])
def test_the_loss_and_its_gradient_are_those_of_autograd(lexical_words: int) -> None:
    network = random_network(Inverter, lexical_words=lexical_words)
    labels = torch.tensor([[4, 5, 4, 1], [7, 1, IGNORED, IGNORED]])
    shifted = torch.tensor([[0, 4, 5, 4], [0, 7, 0, 0]])
    states, mask, scores = network.encode(some_vectors(2))
    ours = network.loss(states, mask, labels, scores)["loss"]
    wanted = [value for value in network.parameters() if value.requires_grad]
    gradient = torch.autograd.grad(ours, wanted, retain_graph=True, allow_unused=True)
    out = network.encoder_decoder.decoder(
        input_ids=shifted, encoder_hidden_states=states, encoder_attention_mask=mask
    ).last_hidden_state
    logits = out * 16**-0.5 @ network.encoder_decoder.shared.weight.T  # (n, t, v)
    if scores is not None:
        feature = scores.unsqueeze(1).repeat(1, 4, 1)
        for row, position in product(range(2), range(4)):
            feature[row, position, shifted[row, : position + 1]] = np.log(FLOOR)
        logits = logits + network.lexical.scale * feature + network.lexical.bias
    theirs = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED
    )
    expected = torch.autograd.grad(theirs, wanted, allow_unused=True)
    torch.testing.assert_close(ours, theirs)
    for got, want in zip(gradient, expected, strict=True):
        torch.testing.assert_close(got, want)


def test_the_corrector_reads_target_guess_difference_and_words() -> None:
    network = random_network(Corrector)
    target, guess = some_vectors(2), some_vectors(2, seed=1)
    words = torch.tensor([[4, 5, 1], [6, 1, 0]])
    inputs, mask = network.encoder_inputs(target, guess, words, None)
    end = network.words(torch.tensor([[1], [1]]))
    expected = torch.cat(
        [
            end,
            network.embedding_transform_1(target).view(2, 3, 16),
            end,
            network.embedding_transform_3(guess).view(2, 3, 16),
            end,
            network.embedding_transform_2(target - guess).view(2, 3, 16),
            end,
            network.words(words),
        ],
        dim=1,
    )
    torch.testing.assert_close(inputs, network.layernorm(expected))
    assert mask.tolist() == [[1] * 16, [1] * 15 + [0]]


def test_padding_of_a_guess_changes_nothing() -> None:
    network = random_network(Corrector, lexical_words=5)
    target, guess = some_vectors(1), some_vectors(1, seed=1)
    labels = torch.tensor([[4, 1]])
    short = network(target, guess, torch.tensor([[6, 1]]), labels)["loss"]
    # The likely subwords stand after the words, so padding moves them; their order is kept.
    longer = network.encoder_inputs(
        target, guess, torch.tensor([[6, 1, 0]]), network.lexical(target)
    )
    assert longer[1].sum() == longer[1].shape[1] - 1
    assert torch.isfinite(short)


def test_ridge_weights_are_those_of_the_normal_equations() -> None:
    vectors = torch.nn.functional.normalize(some_vectors(12), dim=1)
    labels = torch.tensor([[row % 5 + 3, row % 3 + 3, IGNORED] for row in range(12)])
    bags = np.zeros((12, 9))
    for row, ids in enumerate(labels.tolist()):
        bags[row, [one for one in ids if one >= 0]] = 1
    x = np.hstack([vectors.double().numpy(), np.ones((12, 1))])
    expected = np.linalg.solve(x.T @ x + 3.0 * np.eye(8), x.T @ bags).T
    np.testing.assert_allclose(fit_ridge(vectors, labels, 9).numpy(), expected, atol=1e-5)


def test_a_config_comes_back_and_an_unknown_field_is_refused() -> None:
    config = shape(lexical_words=4)
    assert NetworkConfig.from_json(config.to_json()) == config
    assert dataclasses.asdict(config) == config.to_json()
    with pytest.raises(CorruptArtifact):
        NetworkConfig.from_json(config.to_json() | {"wings": 2})
