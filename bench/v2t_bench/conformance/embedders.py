"""What an embedder promises, one check a promise."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Protocol, TypeAlias, get_args

import numpy as np

from v2t_bench.conformance.promise import (
    close,
    expect,
    expect_no_global_randomness,
    expect_no_global_seed,
    name_of,
    promise,
)
from v2t_bench.conformance.world import LONG_TEXT, ODD_TEXTS, TEXTS
from v2t_bench.contracts import (
    Blindness,
    Embedder,
    Role,
    Similarity,
    Space,
    Vectors,
    check_vectors,
)

MakeEmbedder: TypeAlias = Callable[[], Embedder]

ROLES: tuple[Role, ...] = get_args(Role)

# Longer texts than any tokenizer reads in practice are not worth the time of a check.
READABLE_TOKENS = 1000


class EmbedderCheck(Protocol):
    """Raises `BrokenPromise` unless the embedders that ``make`` builds keep one promise."""

    def __call__(self, make: MakeEmbedder) -> None: ...  # noqa: D102  the class says it


def _embed(embedder: Embedder, texts: Sequence[str], role: Role) -> Vectors:
    who = f"{name_of(embedder)}.embed, asked for {len(texts)} texts,"
    return check_vectors(embedder.embed(texts, role), rows=len(texts), who=who)


def _cosines(a: Vectors, b: Vectors) -> Vectors:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines: Vectors = (a * b).sum(axis=1) / np.maximum(norms, np.float32(1e-12))
    return cosines


@promise
def gives_one_finite_row_a_text(make: MakeEmbedder) -> None:
    """Texts give a finite float32 array with one row a text, in both roles."""
    embedder = make()
    for role in ROLES:
        _embed(embedder, TEXTS, role)
        _embed(embedder, TEXTS[:1], role)


@promise
def takes_no_texts(make: MakeEmbedder) -> None:
    """An empty list of texts gives an array of shape (0, d), and no token spans."""
    embedder = make()
    for role in ROLES:
        who = f"{name_of(embedder)}.embed([], {role!r})"
        check_vectors(embedder.embed([], role), rows=0, dim=embedder.dim, who=who)
    expect(
        embedder.token_spans([]) == [],
        f"{name_of(embedder)}.token_spans([]) is not []; expected an empty list",
    )


@promise
def takes_odd_texts(make: MakeEmbedder) -> None:
    """Empty, blank, foreign and endless texts are embedded, and have token spans."""
    embedder = make()
    for role in ROLES:
        _embed(embedder, ODD_TEXTS, role)
        # A batch of nothing but blanks has no token at all in some tokenizers.
        _embed(embedder, ODD_TEXTS[:3], role)
    embedder.token_spans(ODD_TEXTS)


@promise
def declares_its_dimension(make: MakeEmbedder) -> None:
    """The declared dim is the length of a vector, whatever the role."""
    embedder = make()
    for role in ROLES:
        length = _embed(embedder, TEXTS[:2], role).shape[1]
        expect(
            type(embedder.dim) is int and embedder.dim == length,
            f"{name_of(embedder)} declares dim={embedder.dim!r} and embeds a {role} into {length} "
            "dimensions; expected the same whole number",
        )


@promise
def declares_a_space(make: MakeEmbedder) -> None:
    """The space is a Space whose fields hold what their annotations say."""
    embedder = make()
    who, space = name_of(embedder), embedder.space
    expect(isinstance(space, Space), f"{who}.space is not a v2t_bench.contracts.Space")
    for field in fields(Space):
        wanted = {"bool": bool, "int": int, "str": str}.get(str(field.type))
        value = getattr(space, field.name)
        expect(
            wanted is None or type(value) is wanted,
            f"{who}.space.{field.name} is {value!r}; expected {field.type}",
        )
    expect(bool(space.weights), f"{who}.space.weights is empty; expected a name or a sha256")
    expect(
        space.similarity in get_args(Similarity),
        f"{who}.space.similarity is {space.similarity!r}; expected one of {get_args(Similarity)}",
    )
    expect(
        space.max_tokens > embedder.special_tokens,
        f"{who}.space.max_tokens is {space.max_tokens}; expected room for the "
        f"{embedder.special_tokens} special tokens and one more",
    )
    blind: object = space.blind_to
    expect(
        isinstance(blind, tuple)
        and set(blind) <= set(get_args(Blindness))
        and list(blind) == sorted(set(blind)),
        f"{who}.space.blind_to is {blind!r}; expected a sorted tuple of {get_args(Blindness)}",
    )


@promise
def is_of_one_space(make: MakeEmbedder) -> None:
    """Two embedders built alike have equal spaces, before and after use."""
    first, second = make(), make()
    before = first.space
    _embed(first, TEXTS[:1], "document")
    expect(
        before == second.space == first.space,
        f"{name_of(first)} has another space when it is built again or used; expected equal ones: "
        "a space holds nothing but what decides where a text lands",
    )


@promise
def gives_the_same_again(make: MakeEmbedder) -> None:
    """The same texts give the same vectors, from one embedder and from two built alike."""
    first, second = make(), make()
    for role in ROLES:
        vectors = _embed(first, TEXTS, role)
        for again in (_embed(first, TEXTS, role), _embed(second, TEXTS, role)):
            expect(
                close(vectors, again),
                f"{name_of(first)} embeds the same texts differently when asked again; expected "
                "the same vectors; switch dropout off and seed what is drawn",
            )


@promise
def embeds_each_text_alone(make: MakeEmbedder) -> None:
    """A text's vector depends neither on the order of the batch nor on who else is in it."""
    embedder = make()
    for role in ROLES:
        together = _embed(embedder, TEXTS, role)
        backwards = _embed(embedder, TEXTS[::-1], role)[::-1]
        expect(
            close(together, backwards),
            f"{name_of(embedder)} gives a text another vector when the batch is in another order; "
            "expected the same within 1e-5; sort back what was sorted by length",
        )
        parts = (TEXTS[:1], TEXTS[1:4], TEXTS[4:])
        apart = np.concatenate([_embed(embedder, part, role) for part in parts])
        expect(
            close(together, apart),
            f"{name_of(embedder)} gives a text another vector when the batch is split; expected "
            "the same within 1e-5; mask the padding, and subtract no mean of the batch",
        )


@promise
def leaves_texts_alone(make: MakeEmbedder) -> None:
    """The list of texts is not modified."""
    embedder = make()
    for role in ROLES:
        texts = list(TEXTS)
        embedder.embed(texts, role)
        embedder.token_spans(texts)
        expect(
            texts == list(TEXTS),
            f"{name_of(embedder)} modified the list of texts; expected it untouched; copy it first",
        )


@promise
def leaves_global_randomness_alone(make: MakeEmbedder) -> None:
    """Building and embedding do not change a global random state."""
    expect_no_global_randomness(lambda: make().embed(TEXTS, "document"), name_of(make()))


@promise
def ignores_the_global_seed(make: MakeEmbedder) -> None:
    """Vectors do not depend on a global seed."""
    expect_no_global_seed(lambda: make().embed(TEXTS, "document"), name_of(make()))


@promise
def has_length_one_if_declared(make: MakeEmbedder) -> None:
    """If the space says normalize, vectors have length 1."""
    embedder = make()
    if not embedder.space.normalize:
        return
    for role in ROLES:
        lengths = np.linalg.norm(_embed(embedder, TEXTS, role), axis=1)
        expect(
            bool(np.allclose(lengths, 1.0, rtol=0.0, atol=1e-4)),
            f"{name_of(embedder)}.space says normalize=True, and vectors have lengths from "
            f"{lengths.min():.4f} to {lengths.max():.4f}; expected 1; scale them, or say False",
        )


@promise
def declares_what_its_roles_change(make: MakeEmbedder) -> None:
    """Where query and document prompt are equal, so are the vectors."""
    embedder = make()
    space = embedder.space
    if space.query_prompt != space.document_prompt:
        return
    expect(
        close(_embed(embedder, TEXTS, "query"), _embed(embedder, TEXTS, "document")),
        f"{name_of(embedder)} embeds queries and documents differently, and its space declares the "
        "same prompt for both; expected query_prompt and document_prompt to say what is put before",
    )


@promise
def counts_its_special_tokens(make: MakeEmbedder) -> None:
    """special_tokens is a whole number, 0 or more."""
    count = make().special_tokens
    expect(
        type(count) is int and count >= 0,
        f"{name_of(make())}.special_tokens is {count!r}; expected how many tokens the tokenizer "
        "adds to every text, as an int of 0 or more",
    )


@promise
def says_where_its_tokens_are(make: MakeEmbedder) -> None:
    """token_spans gives characters (start, end) in order, not overlapping, inside the text."""
    embedder = make()
    who = f"{name_of(embedder)}.token_spans"
    texts = (*TEXTS, *ODD_TEXTS)
    spans: Any = embedder.token_spans(texts)
    expect(
        isinstance(spans, list) and len(spans) == len(texts),
        f"{who} did not return a list with one entry for each of {len(texts)} texts",
    )
    for text, of_text in zip(texts, spans, strict=True):
        before = (0, 0)
        for span in of_text:
            start, end = span
            expect(
                0 <= start <= end <= len(text),
                f"{who} returned {span} for a text of {len(text)} characters; expected "
                "0 <= start <= end <= length, in characters (not bytes) and without special tokens",
            )
            # Several tokens may spell one character: then they share its span.
            expect(
                start >= before[1] or span == before,
                f"{who} returned {span} after {before}; expected tokens in order, none overlapping",
            )
            before = span


@promise
def cuts_no_token_spans(make: MakeEmbedder) -> None:
    """token_spans covers the whole text, however long, from its first to its last word."""
    embedder = make()
    (spans,) = embedder.token_spans([LONG_TEXT])
    who = f"{name_of(embedder)}.token_spans"
    covered = (spans[0][0], spans[-1][1]) if spans else (0, 0)
    expect(
        covered == (0, len(LONG_TEXT)),
        f"{who} covers characters {covered[0]} to {covered[1]} of a text of {len(LONG_TEXT)} "
        "characters; expected all of it: switch truncation off and leave special tokens out",
    )


@promise
def reads_no_more_than_it_says(make: MakeEmbedder) -> None:
    """What stands after the first max_tokens tokens does not change the vector."""
    embedder = make()
    read = embedder.space.max_tokens - embedder.special_tokens
    if not 0 < read <= READABLE_TOKENS:
        return
    (spans,) = embedder.token_spans([LONG_TEXT])
    if len(spans) <= read:
        return
    cut = LONG_TEXT[: spans[read - 1][1]]
    for role in ROLES:
        whole, first = _embed(embedder, [LONG_TEXT, cut], role)
        expect(
            close(whole[None], first[None]),
            f"{name_of(embedder)} says it reads {embedder.space.max_tokens} tokens, "
            f"{embedder.special_tokens} of them special, and token {read + 1} of a long {role} "
            "changes the vector; expected max_tokens and special_tokens to be what is really read",
        )


def _variants(text: str, kind: Blindness) -> list[str]:
    """Return texts that differ from ``text`` in nothing but ``kind``."""
    if kind == "case":
        return [text.upper(), text.lower()]
    if kind == "accents":
        return [text.replace("é", "e"), text.replace("é", "e\u0301"), text.replace("o", "ö")]
    if kind == "punctuation_spacing":
        apart = re.sub(r"(?<=\S)(?=[^\w\s])|(?<=[^\w\s])(?=\S)", " ", text)
        return [apart, re.sub(r"(?<=[^\w\s]) | (?=[^\w\s])", "", text)]
    return [text.replace(" ", "  "), text.replace(" ", "\n"), f"  {text}\t"]


@promise
def cannot_see_what_it_says(make: MakeEmbedder) -> None:
    """Texts that differ only in what the space is blind to have cosine 1."""
    embedder = make()
    space = embedder.space
    pairs: list[tuple[str, str, str]] = [(t, space.normalize_text(t), "any") for t in TEXTS]
    for kind in space.blind_to:
        pairs += [(text, other, kind) for text in TEXTS for other in _variants(text, kind)]
    texts, others, kinds = zip(*pairs, strict=True)
    cosines = _cosines(_embed(embedder, texts, "document"), _embed(embedder, others, "document"))
    worst = int(cosines.argmin())
    expect(
        float(cosines[worst]) >= 1 - 1e-5,
        f"{name_of(embedder)}.space.blind_to is {space.blind_to}, and {texts[worst]!r} has cosine "
        f"{cosines[worst]:.6f} with {others[worst]!r} ({kinds[worst]}); expected 1; declare only "
        "what the tokenizer removes",
    )


@promise
def normalizes_text_once(make: MakeEmbedder) -> None:
    """What normalize_text returns is left as it is by a second call."""
    embedder = make()
    for text in (*TEXTS, *ODD_TEXTS):
        once = embedder.space.normalize_text(text)
        twice = embedder.space.normalize_text(once)
        expect(
            once == twice,
            f"{name_of(embedder)}.space.normalize_text({text[:40]!r}) is {once[:40]!r}, and once "
            f"more gives {twice[:40]!r}; expected no change; an embedder that is blind to the "
            "spacing of punctuation is blind to whitespace too: declare both",
        )


EMBEDDER_CHECKS: tuple[EmbedderCheck, ...] = (
    gives_one_finite_row_a_text,
    takes_no_texts,
    takes_odd_texts,
    declares_its_dimension,
    declares_a_space,
    is_of_one_space,
    gives_the_same_again,
    embeds_each_text_alone,
    leaves_texts_alone,
    leaves_global_randomness_alone,
    ignores_the_global_seed,
    has_length_one_if_declared,
    declares_what_its_roles_change,
    counts_its_special_tokens,
    says_where_its_tokens_are,
    cuts_no_token_spans,
    reads_no_more_than_it_says,
    cannot_see_what_it_says,
    normalizes_text_once,
)


def check_embedder(make: MakeEmbedder) -> None:
    """Check every promise of the embedders that ``make`` builds.

    Raises:
        BrokenPromise: the first one that is not kept.
    """
    for check in EMBEDDER_CHECKS:
        check(make)
