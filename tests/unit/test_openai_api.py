"""The embedder of an endpoint, against a server on this machine that speaks the protocol."""

import base64
import logging
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from embedding_server import EmbeddingServer, Reply, embeddings, refusal, unit
from v2t_bench.contracts import BuildContext
from v2t_bench.errors import BadInput, BadParameter, ServiceFailed, V2TError
from v2t_bench.registry import Registry
from v2t_plugins.embedders.hashed import Hashed
from v2t_plugins.embedders.openai_api import Meter, OpenAIEmbedder, openai_embedder

TEXTS = ["a fox", "über café 日本語 👩‍👩‍👧", "a\x00b\n", "the last of four"]
KNOWN = "text-embedding-3-small"  # its dimensions need not be asked for
SOON = {"retry_after_ms": "1"}  # the client waits as long as the server says


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.address)
        monkeypatch.setenv("OPENAI_API_KEY", running.key)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield running


Make = Callable[..., OpenAIEmbedder]


@pytest.fixture
def make(server: EmbeddingServer, context: BuildContext) -> Make:
    """Builds an embedder whose budget is its own, and forgets the request for its dimensions."""

    def build(model: str = "tiny", **values: Any) -> OpenAIEmbedder:
        embedder = openai_embedder(model, context=context, **values)
        server.requests.clear()
        own = replace(embedder, meter=Meter())
        vars(own)["dim"] = embedder.dim
        return own

    return build


def expected(texts: list[str], dim: int = 24) -> Any:
    return Hashed(dim=dim).embed(texts, "document")


# What comes back.
@pytest.mark.parametrize("encoding", ["as asked", "float"])
def test_vectors_are_those_of_the_server_at_length_one(
    server: EmbeddingServer, make: Make, encoding: Any
) -> None:
    server.encoding = encoding
    vectors = make().embed(TEXTS, "document")
    assert server.requests[0]["encoding_format"] == "base64"
    np.testing.assert_allclose(vectors, expected(TEXTS), atol=1e-6)


def test_texts_are_sent_in_batches_and_come_back_in_order(
    server: EmbeddingServer, make: Make
) -> None:
    texts = [f"text {number}" for number in range(7)]
    vectors = make(batch=3).embed(texts, "query")
    assert server.sent == [texts[:3], texts[3:6], texts[6:]]
    np.testing.assert_allclose(vectors, expected(texts), atol=1e-6)


def test_a_request_holds_no_more_text_than_openai_takes(
    server: EmbeddingServer, make: Make
) -> None:
    texts = ["é" * 60_000] * 5  # 120,000 bytes each; 300,000 may be one request
    make().embed(texts, "query")
    assert [len(part) for part in server.sent] == [2, 2, 1]


def test_blank_texts_are_sent_as_a_space(server: EmbeddingServer, make: Make) -> None:
    vectors = make().embed(["", "\n\t", "x"], "query")
    assert server.sent == [[" ", " ", "x"]]
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_half_a_surrogate_pair_is_sent_as_a_replacement(
    server: EmbeddingServer, make: Make
) -> None:
    make().embed(["a\ud83d", "\ud83d\ude00"], "query")
    assert server.sent == [["a\ufffd", "😀"]]


def test_no_texts_ask_nothing(server: EmbeddingServer, make: Make) -> None:
    assert make().embed([], "query").shape == (0, 24)
    assert server.requests == []


# Dimensions and space.
def test_dimensions_that_are_not_known_are_asked_once(
    server: EmbeddingServer, context: BuildContext
) -> None:
    embedder = openai_embedder("tiny", context=context)
    embedder.embed(["a"], "query")
    assert (embedder.dim, len(server.requests)) == (24, 2)


@pytest.mark.parametrize(
    ("model", "dim"),
    [
        ("text-embedding-ada-002", 1536),
        ("text-embedding-3-small", 1536),
        ("text-embedding-3-large", 3072),
    ],
)
def test_dimensions_of_openais_models_are_known(
    server: EmbeddingServer, context: BuildContext, model: str, dim: int
) -> None:
    assert openai_embedder(model, context=context).dim == dim
    assert server.requests == []


def test_shorter_vectors_are_asked_for(server: EmbeddingServer, make: Make) -> None:
    embedder = make(KNOWN, dimensions=16)
    assert embedder.embed(TEXTS, "query").shape == (4, 16)
    assert server.requests[0]["dimensions"] == 16
    assert embedder.space.dense == "first 16"


def test_a_models_own_dimensions_are_no_other_space(make: Make) -> None:
    assert make(KNOWN, dimensions=1536) == make(KNOWN)


def test_other_dimensions_than_the_models_are_refused(make: Make) -> None:
    with pytest.raises(ServiceFailed, match=r"gave text-embedding-3-small 24 dimen.*expected 1536"):
        make(KNOWN).embed(["a"], "query")


def test_the_space_names_model_and_server(server: EmbeddingServer, make: Make) -> None:
    space = make().space
    assert space.weights == f"openai:tiny at {server.host}"
    assert (space.normalize, space.max_tokens, space.blind_to) == (True, 8191, ())


def test_the_space_of_openai_itself_is_its_model(
    context: BuildContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    online = replace(context, offline=False)
    embedder = openai_embedder("text-embedding-ada-002", context=online)
    assert embedder.space.weights == "openai:text-embedding-ada-002"


# Pieces that stand for tokens.
def test_pieces_are_short_runs_of_letters_and_digits_and_single_signs(make: Make) -> None:
    text = "Photosynthesis in 1921, né_日本!"
    pieces = [text[start:end] for start, end in make().token_spans([text])[0]]
    assert pieces == [
        *("Photosyn", "thesis", "in", "192", "1", ",", "n", "é", "_", "日", "本", "!")
    ]


# Patience.
def test_a_limited_rate_is_waited_out(server: EmbeddingServer, make: Make) -> None:
    embedder = make()
    server.script = [refusal(429, "slow down", retry_after="1")]
    before = time.monotonic()
    vectors = embedder.embed(["a fox"], "query")
    # Without the header the client would wait half a second at most.
    assert time.monotonic() - before >= 1
    assert len(server.requests) == 2
    np.testing.assert_allclose(vectors, expected(["a fox"]), atol=1e-6)


def test_a_server_that_keeps_failing_is_given_up(server: EmbeddingServer, make: Make) -> None:
    embedder = make(retries=2)
    server.script = [refusal(500, "out of order", **SOON)] * 9
    with pytest.raises(ServiceFailed, match=r"failed, asked 3 times \(HTTP 500: out of order\)"):
        embedder.embed(["a"], "query")
    assert len(server.requests) == 3


def test_a_rate_that_stays_limited_is_given_up(server: EmbeddingServer, make: Make) -> None:
    embedder = make(retries=1)
    server.script = [refusal(429, "quota used up", **SOON)] * 9
    with pytest.raises(ServiceFailed, match=r"asked 2 times \(HTTP 429: quota used up\)"):
        embedder.embed(["a"], "query")


def test_a_server_that_does_not_answer_is_given_up(server: EmbeddingServer, make: Make) -> None:
    embedder = make(retries=0, timeout=0.2)
    server.script = [Reply(wait=1.0)]
    with pytest.raises(ServiceFailed, match=r"no answer within 0\.2 s, asked once"):
        embedder.embed(["a"], "query")


def test_a_server_that_is_not_there_is_named(
    server: EmbeddingServer, context: BuildContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free}/v1")
    with pytest.raises(ServiceFailed, match=f"127.0.0.1:{free} cannot be reached, tried once"):
        openai_embedder("tiny", context=context, retries=0)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, r"refused the request \(HTTP 400: said so\)"),
        (401, r"refused the key \(HTTP 401\); check OPENAI_API_KEY"),
        (403, r"refused the key \(HTTP 403\); check OPENAI_API_KEY"),
        (404, r"has no model 'tiny'.*HTTP 404: said so"),
    ],
)
def test_what_no_retry_can_mend_is_asked_once(
    server: EmbeddingServer, make: Make, status: int, message: str
) -> None:
    embedder = make()
    server.script = [refusal(status, "said\nso")]
    with pytest.raises(ServiceFailed, match=message) as caught:
        embedder.embed(["a"], "query")
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1


# Answers of no use.
SHORT = base64.b64encode(b"abcde").decode()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (embeddings([[1.0] * 24]), "answered 2 texts with 1 embeddings, numbered 0 to 0"),
        (embeddings([[1.0] * 24] * 3), "answered 2 texts with 3 embeddings, numbered 0 to 2"),
        (embeddings([]), "answered 2 texts with 0 embeddings"),
        (embeddings([[1.0] * 24] * 2, index=1), "numbered its embeddings 1, 1"),
        (embeddings([[1.0] * 24] * 2, index=None), "numbered its embeddings None"),
        (embeddings([[1.0] * 24, [1.0] * 23]), "embeddings of 23 and 24 numbers"),
        (embeddings([[], []]), "embeddings of 0 numbers"),
        (embeddings([[1.0] * 24, [float("nan")] * 24]), "for 1 of 2 texts .first: number 1"),
        (embeddings([[float("inf")] * 24, [1.0] * 24]), "for 1 of 2 texts .first: number 0"),
        (embeddings([[1.0] * 24] * 2, embedding=[None] * 24), "embedding 0 as neither"),
        (embeddings([[1.0] * 24] * 2, embedding=[True] * 24), "embedding 0 as neither"),
        (embeddings([[1.0] * 24] * 2, embedding=["1"] * 24), "embedding 0 as neither"),
        (embeddings([[1.0] * 24] * 2, embedding=[10**400] * 24), "embedding 0 as neither"),
        (Reply(body=b"[" * 100_000), "something that is not JSON"),
        (embeddings([[0.0] * 24] * 2), "nothing but zeros for 2 of 2"),
        (embeddings([[1.0] * 24] * 2, embedding=["x"]), "embedding 0 as neither"),
        (embeddings([[1.0] * 24] * 2, embedding=[[1.0, 2.0]]), "embedding 0 as neither"),
        (embeddings([[1.0] * 24] * 2, embedding=SHORT), "embedding 0 as neither"),
        (embeddings([[1.0] * 24] * 2, embedding="?"), "embedding 0 as neither"),
        (embeddings([[1.0] * 24] * 2, embedding=3), "embedding 0 as neither"),
        (Reply(body={"embeddings": []}), "sent no list of embeddings"),
        (Reply(body=[1, 2]), "sent no list of embeddings"),
        (Reply(body={"data": [1, 2]}), "sent no list of embeddings"),
        (Reply(body=b"<html>"), "something that is not JSON"),
        (Reply(body=b"\xff\xfe"), "something that is not JSON"),
    ],
)
def test_an_answer_of_no_use_is_refused(
    server: EmbeddingServer, make: Make, reply: Reply, message: str
) -> None:
    embedder = make()
    server.script = [reply]
    with pytest.raises(ServiceFailed, match=message) as caught:
        embedder.embed(["a", "b"], "query")
    assert "\n" not in str(caught.value)


def test_numbers_beyond_float32_are_scaled_and_not_lost(
    server: EmbeddingServer, make: Make
) -> None:
    embedder = make()
    wide = np.linspace(1, 2, 24)
    server.script = [embeddings([(wide * 1e100).tolist()])]
    np.testing.assert_allclose(embedder.embed(["a"], "query"), unit(wide[None]), rtol=1e-6)


# The budget.
def test_nothing_is_sent_beyond_the_budget(server: EmbeddingServer, make: Make) -> None:
    embedder = make(KNOWN, dimensions=24, budget=5, batch=2)
    embedder.embed(["a", "b", "c"], "query")
    server.requests.clear()
    message = r"3 texts were asked for after 3 .* budget=5 .*nothing.*allow more with budget=6"
    with pytest.raises(BadParameter, match=message):
        embedder.embed(["d", "e", "f"], "document")
    assert server.requests == []


def test_the_budget_can_be_used_up(server: EmbeddingServer, make: Make) -> None:
    embedder = make(KNOWN, dimensions=24, budget=5)
    embedder.embed(["a", "b", "c"], "query")
    embedder.embed(["d", "e"], "query")
    assert sum(map(len, server.sent)) == 5


def test_asking_for_the_dimensions_is_part_of_the_budget(
    server: EmbeddingServer, context: BuildContext
) -> None:
    with pytest.raises(BadParameter, match="1 texts were asked for"):
        openai_embedder("tiny", context=context, budget=0)
    assert server.requests == []


def test_the_budget_is_one_for_all_embedders_of_a_process(
    server: EmbeddingServer, context: BuildContext
) -> None:
    first, second = (openai_embedder("tiny", context=context) for _ in range(2))
    before = second.meter.sent
    first.embed(["a", "b"], "query")
    assert second.meter.sent == before + 2


# What is refused before anything is sent.
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"budget": -1}, "budget is -1"),
        ({"retries": -1}, "retries is -1"),
        ({"batch": 0}, "batch is 0"),
        ({"batch": 2049}, "batch is 2049; expected at most 2048"),
        ({"timeout": 0.0}, "timeout is 0"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"timeout": float("inf")}, "timeout is inf"),
        ({"dimensions": 0}, "dimensions is 0; expected at least 1"),
    ],
)
def test_a_value_out_of_range_is_refused(
    server: EmbeddingServer, context: BuildContext, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadParameter, match=message):
        openai_embedder("tiny", context=context, **values)
    assert server.requests == []


@pytest.mark.parametrize(
    ("model", "dimensions", "message"),
    [
        ("text-embedding-3-small", 1537, "and at most 1536"),
        ("text-embedding-ada-002", 256, "always has 1536 dimensions"),
    ],
)
def test_dimensions_that_a_model_cannot_give_are_refused(
    make: Make, model: str, dimensions: int, message: str
) -> None:
    with pytest.raises(BadParameter, match=message):
        make(model, dimensions=dimensions)


@pytest.mark.parametrize("address", ["https://api.openai.com/v1", "http://10.0.0.1:8000/v1", ""])
def test_offline_asks_no_other_machine(
    server: EmbeddingServer,
    context: BuildContext,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(BadInput, match="is not on this machine, and --offline forbids"):
        openai_embedder("text-embedding-ada-002", context=context)


@pytest.mark.parametrize(
    "address", ["ftp://127.0.0.1/v1", "127.0.0.1/v1", "http://[::1", "http:///v1"]
)
def test_an_address_that_is_none_is_refused(
    server: EmbeddingServer,
    context: BuildContext,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(BadInput, match="OPENAI_BASE_URL is no http or https address"):
        openai_embedder("text-embedding-ada-002", context=context)


def test_a_missing_key_is_told(
    server: EmbeddingServer, context: BuildContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(BadInput, match="needs a key in the environment variable OPENAI_API_KEY"):
        openai_embedder("tiny", context=context)


def test_a_missing_package_is_told(
    server: EmbeddingServer, context: BuildContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(BadInput, match=r"pip install 'v2t-bench\[openai\]'"):
        openai_embedder("tiny", context=context)


# The key.
def failures(server: EmbeddingServer, make: Make) -> Iterator[V2TError]:
    """Yield an error of every kind, from a server that tells everybody the key it was given."""
    embedder = make(retries=0)
    for status in (400, 401, 403, 404, 409, 429, 500, 503):
        server.script = [refusal(status, f"you said {server.key}, {server.key}")]
        with pytest.raises(ServiceFailed) as caught:
            embedder.embed(["a"], "query")
        yield caught.value


def test_the_key_is_in_no_message_and_no_log(
    server: EmbeddingServer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = ["".join(traceback.format_exception(error)) for error in failures(server, make)]
    assert len(told) == 8
    assert [text for text in told if server.key in text] == []
    assert server.key not in caplog.text


def test_the_key_is_not_shown_by_the_embedder(server: EmbeddingServer, make: Make) -> None:
    embedder = make()
    assert server.key not in repr(embedder) + repr(embedder.space)


@pytest.mark.parametrize("key", ["sk-secret\n", "sk secret", "sk-sécret"])
def test_a_key_that_no_header_can_hold_is_refused_untold(
    server: EmbeddingServer, context: BuildContext, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(BadInput, match="odd character") as caught:
        openai_embedder("tiny", context=context)
    assert key not in "".join(traceback.format_exception(caught.value))


# As it is spelled.
def test_the_model_is_spelled_after_the_name(
    server: EmbeddingServer, registry: Registry, context: BuildContext
) -> None:
    spelled = "openai:text-embedding-3-small,dimensions=8,budget=9"
    embedder = registry.build("embedders", spelled, context)
    assert (embedder.model, embedder.dim, embedder.budget) == ("text-embedding-3-small", 8, 9)
