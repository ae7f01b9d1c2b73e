"""Embeddings of OpenAI, or of another server that speaks its protocol."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import BuildContext, Embedder, Recipe, Role, Space, Vectors
from v2t_bench.errors import BadParameter, ServiceFailed
from v2t_plugins.embedders.openai_endpoint import Endpoint, endpoint

# platform.openai.com/docs/guides/embeddings: lengths of vectors, and tokens read.
DIMENSIONS = {
    "text-embedding-ada-002": 1536,
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
}
FIXED = ("text-embedding-ada-002",)
"""Models that cannot give shorter vectors."""
MAX_TOKENS = 8191
MOST_SECONDS = 86_400
# The reference of the endpoint: at most 2048 texts and 300,000 tokens a request. A token is
# never shorter than a byte.
MOST_TEXTS = 2048
MOST_BYTES = 300_000

# What stands for a token when texts are cut; see `OpenAIEmbedder.token_spans`.
_PIECE = re.compile(r"[A-Za-z]{1,8}|[0-9]{1,3}|\S")


@dataclass(eq=False)
class Meter:
    """The texts that were sent."""

    sent: int = 0

    def charge(self, texts: int, budget: int) -> None:
        """Count ``texts`` more.

        Raises:
            BadParameter: that would be more than ``budget``; nothing is counted then.
        """
        if self.sent + texts > budget:
            raise BadParameter(
                f"openai: {texts} texts were asked for after {self.sent} in this process, and "
                f"budget={budget} is the most that may be sent; nothing of it was sent; allow more "
                f"with budget={self.sent + texts}"
            )
        self.sent += texts


IN_THIS_PROCESS = Meter()


@dataclass(frozen=True, kw_only=True)
class OpenAIEmbedder:
    """Vectors from an endpoint, scaled to length 1 (OpenAI's are already, up to rounding).

    Another request may give the same text a vector that differs in its last digits.

    Args:
        model: As the endpoint calls it.
        dimensions: Asked of the endpoint, or None for the model's own.
        budget: Most texts that may be sent in this process, by all such embedders together.
        batch: Most texts a request.
        endpoint: The server.
        meter: Counts the texts.
    """

    model: str
    dimensions: int | None
    budget: int
    batch: int
    endpoint: Endpoint
    meter: Meter = field(default=IN_THIS_PROCESS, compare=False)

    @property
    def space(self) -> Space:
        """Where the vectors live; how the tokenizer of a remote model reads is not known."""
        where = "" if self.endpoint.is_openai else f" at {self.endpoint.host}"
        return Space(
            weights=f"openai:{self.model}{where}",
            pooling="remote",
            dense="" if self.dimensions is None else f"first {self.dimensions}",
            normalize=True,
            max_tokens=MAX_TOKENS,
        )

    @cached_property
    def dim(self) -> int:
        """``d``: asked for, known of the model, or found out by sending one text."""
        known = self.dimensions or DIMENSIONS.get(self.model)
        if known is not None:
            return known
        self.meter.charge(1, self.budget)
        return int(self._request(["dimensions"]).shape[1])

    @property
    def special_tokens(self) -> int:
        """None, as far as can be seen from here."""
        return 0

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        """Return the vectors of ``texts``, (n, d); the role makes no difference.

        The endpoint refuses a text without a character: it is sent as one space. Half a
        surrogate pair, which no request can hold, is sent as U+FFFD. A request that is
        repeated, because it failed or was not answered, counts once in the budget.

        Raises:
            BadParameter: the budget does not suffice; nothing was sent.
            ServiceFailed: the endpoint refused, did not answer, or its answer is of no use.
        """
        dim = self.dim
        self.meter.charge(len(texts), self.budget)
        vectors = np.empty((len(texts), dim), dtype=np.float32)
        done = 0
        for part in _requests([_sendable(text) for text in texts], self.batch):
            answer = self._request(part)
            if answer.shape[1] != dim:
                raise ServiceFailed(
                    f"openai: {self.endpoint.host} gave {self.model} {answer.shape[1]} dimensions; "
                    f"expected {dim}"
                )
            vectors[done : done + len(part)] = answer
            done += len(part)
        return vectors

    def _request(self, texts: list[str]) -> Vectors:
        return self.endpoint.embeddings(self.model, texts, self.dimensions)

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the (start, end) characters of pieces about as long as tokens, uncut.

        An approximation, so that texts can be cut without asking anybody: the tables of
        OpenAI's tokenizers are not to be had offline. A piece is up to eight ASCII letters,
        up to three digits, or one other character that is no space. A cut to 32 tokens is
        32 such pieces; the endpoint may count more or fewer.
        """
        return [[match.span() for match in _PIECE.finditer(text)] for text in texts]


def _sendable(text: str) -> str:
    valid = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return valid if valid.strip() else " "


def _requests(texts: list[str], batch: int) -> Iterator[list[str]]:
    """Yield the texts in parts that one request may hold."""
    part: list[str] = []
    held = 0
    for text in texts:
        size = len(text.encode())
        if part and (len(part) == batch or held + size > MOST_BYTES):
            yield part
            part, held = [], 0
        part.append(text)
        held += size
    if part:
        yield part


def openai_embedder(
    model: str,
    *,
    context: BuildContext,
    dimensions: int | None = None,
    budget: int = 100_000,
    batch: int = 256,
    retries: int = 5,
    timeout: float = 60.0,
) -> OpenAIEmbedder:
    """Any model of an OpenAI-compatible endpoint; OPENAI_BASE_URL and OPENAI_API_KEY name it.

    Args:
        model: As the endpoint calls it: text-embedding-3-small.
        context: Whether anything outside this machine may be asked.
        dimensions: Shorter vectors, where the model can give them.
        budget: Most texts that may be sent in this process.
        batch: Most texts a request, at most 2048.
        retries: After a refusal for the rate, a failure of the server, or no answer; the
            client waits longer each time, or as long as the server says.
        timeout: Seconds to wait for one answer.

    Raises:
        BadParameter: a value is out of range.
        BadInput: the package openai or the key is missing, or the address cannot be used.
        ServiceFailed: the dimensions had to be asked for, and the endpoint gave no answer.
    """
    lowest = {"budget": (budget, 0), "retries": (retries, 0), "batch": (batch, 1)}
    for name, (value, least) in lowest.items():
        if value < least:
            raise BadParameter(f"openai: {name} is {value}; expected at least {least}")
    if batch > MOST_TEXTS:
        raise BadParameter(f"openai: batch is {batch}; expected at most {MOST_TEXTS}")
    if not 0 < timeout <= MOST_SECONDS:
        raise BadParameter(
            f"openai: timeout is {timeout:g}; expected seconds above 0, {MOST_SECONDS} at most"
        )
    embedder = OpenAIEmbedder(
        model=model,
        dimensions=_shortened(model, dimensions),
        budget=budget,
        batch=batch,
        endpoint=endpoint(offline=context.offline, retries=retries, timeout=timeout),
    )
    embedder.dim  # noqa: B018  asks now, so that what is wrong is said before the work starts
    return embedder


def _shortened(model: str, dimensions: int | None) -> int | None:
    """Return the dimensions to ask for, or None where they are the model's own.

    Raises:
        BadParameter: the model cannot give them.
    """
    own = DIMENSIONS.get(model)
    if dimensions is None or dimensions == own:
        return None
    if dimensions < 1 or (own is not None and dimensions > own):
        most = "" if own is None else f" and at most {own}"
        raise BadParameter(f"openai: dimensions is {dimensions}; expected at least 1{most}")
    if model in FIXED:
        raise BadParameter(f"openai: {model} always has {own} dimensions; leave dimensions out")
    return dimensions


@hookimpl
def v2t_embedders() -> Iterator[Recipe[Embedder]]:
    """Offer every model behind such an endpoint."""
    yield Recipe(
        name="openai",
        build=openai_embedder,
        source="platform.openai.com/docs/guides/embeddings",
    )
