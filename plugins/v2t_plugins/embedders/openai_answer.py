"""Read the answer of an OpenAI-compatible embeddings endpoint, and refuse what is not one."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Vectors
from v2t_bench.errors import ServiceFailed


def vectors_of(body: object, *, rows: int, who: str) -> Vectors:
    """Return the embeddings in the order of the texts, (rows, d), scaled to length 1.

    Args:
        body: The decoded JSON: ``{"data": [{"index": 0, "embedding": ...}, ...]}``, each
            embedding a list of numbers or little-endian float32 in base64.
        rows: How many texts were sent.
        who: The server; errors begin with it.

    Raises:
        ServiceFailed: the answer is of another form, or is not one finite embedding a text,
            all of one length and none of them zero.
    """
    by_index = _by_index(body, who)
    if sorted(by_index) != list(range(rows)):
        raise ServiceFailed(
            f"{who} answered {rows} texts with {len(by_index)} embeddings, numbered "
            f"{_ends(sorted(by_index))}; expected one for each, numbered from 0"
        )
    read = [_numbers(by_index[index], index, who) for index in range(rows)]
    lengths = sorted({len(numbers) for numbers in read})
    if len(lengths) != 1 or lengths == [0]:
        raise ServiceFailed(
            f"{who} answered with embeddings of {' and '.join(map(str, lengths))} numbers; "
            "expected all of one length above 0"
        )
    embeddings = np.stack(read)  # (rows, d)
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    # NaN and infinity in an embedding are in its norm too.
    useless = ~(np.isfinite(norms) & (norms > 0))[:, 0]
    if useless.any():
        raise ServiceFailed(
            f"{who} answered with NaN, infinity or nothing but zeros for {int(useless.sum())} of "
            f"{rows} texts (first: number {int(useless.argmax())}); expected finite numbers"
        )
    unit: Vectors = (embeddings / norms).astype(np.float32)
    return unit


def _by_index(body: object, who: str) -> dict[int, Any]:
    """Return the embeddings by the number of their text; an index given twice is refused."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise ServiceFailed(
            f"{who} sent no list of embeddings; expected an answer of the form "
            '{"data": [{"index": 0, "embedding": [...]}]}; check OPENAI_BASE_URL'
        )
    indices = [item.get("index") for item in data]
    if not all(type(index) is int for index in indices) or len(set(indices)) != len(indices):
        raise ServiceFailed(
            f"{who} numbered its embeddings {', '.join(map(str, indices[:5]))} ...; expected each "
            "number from 0 once"
        )
    return {item["index"]: item.get("embedding") for item in data}


def _numbers(embedding: object, index: int, who: str) -> NDArray[np.float64]:
    try:
        if isinstance(embedding, str):
            raw = base64.b64decode(embedding, validate=True)
            return np.frombuffer(raw, dtype="<f4").astype(np.float64)
        if isinstance(embedding, list) and all(type(n) in (int, float) for n in embedding):
            return np.array(embedding, dtype=np.float64).reshape(len(embedding))
    except (ValueError, TypeError, OverflowError):
        pass
    raise ServiceFailed(
        f"{who} sent embedding {index} as neither a list of numbers nor float32 in base64"
    )


def _ends(numbers: list[int]) -> str:
    return f"{numbers[0]} to {numbers[-1]}" if numbers else "nowhere"
