"""GTR as sentence-transformers uses it; `gtr-base` is the one of the published Vec2Text models."""

from __future__ import annotations

from collections.abc import Iterator

from v2t_bench import hookimpl
from v2t_bench.contracts import BuildContext, Embedder, Recipe
from v2t_bench.errors import BadInput
from v2t_plugins.embedders.sentence_transformer import SentenceTransformerEmbedder, from_folder
from v2t_plugins.hub import locate

MODEL = "sentence-transformers/gtr-t5-base"


def gtr_base_st(
    model: str = MODEL, *, context: BuildContext, revision: str | None = None
) -> SentenceTransformerEmbedder:
    """GTR as sentence-transformers uses it: mean pool, dense layer, scaled to length 1.

    Args:
        model: A folder or a Hub id in the layout of sentence-transformers.
        context: Device, batch size, and whether anything may be fetched.
        revision: Commit, tag or branch of the Hub.

    Raises:
        BadInput: there is no such model here, or it cannot be used.
        CorruptArtifact: a file of it is damaged.
    """
    folder = locate(model, who="gtr-base-st", revision=revision, offline=context.offline)
    if not (folder / "modules.json").is_file():
        # sentence-transformers would make up a mean pool and go on without a dense layer.
        raise BadInput(
            f"gtr-base-st: {folder.name} holds no modules.json; expected a model in the layout of "
            "sentence-transformers, as its dense layer is part of it; gtr-base does without"
        )
    return from_folder(folder, context=context)


@hookimpl
def v2t_embedders() -> Iterator[Recipe[Embedder]]:
    """Offer GTR with its dense layer."""
    yield Recipe(
        name="gtr-base-st",
        build=gtr_base_st,
        revision=True,
        source="Ni et al. 2021, GTR; sentence-transformers/gtr-t5-base",
    )
