"""Open a stored table of a stranger's and compare its columns with what a run writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from v2t_bench.leaderboard.validation.problems import Tell, shown
from v2t_bench.samples import RETRIEVAL, SAMPLES, TRACES
from v2t_bench.store import TEXT_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MOST_ROWS = 1_000_000
MOST_BYTES = 2**28
"""Of a table in memory: compression can make a small file of it."""

# None: text, which not every cell may hold.
STRINGS = {
    SAMPLES: ("id", "document", "text_sha256"),
    RETRIEVAL: ("query", "judgements"),
    TRACES: ("id",),
}
SCORES = ("cos", "bleu", "bleu_norm", "bleu_eff", "token_f1", "token_precision", "token_recall",
          "exact", "exact_norm")  # fmt: skip
SOMETIMES = ("reid_top1", "contaminated", "names_first", "names_last", "names_full",
             "label_from_vector", "label_from_text", "label_by_majority")  # fmt: skip
NUMBERS: dict[str, tuple[str, ...]] = {
    SAMPLES: SCORES,
    RETRIEVAL: ("ndcg_at_10",),
    TRACES: ("step", "cosine"),
}
LISTS = {SAMPLES: (), RETRIEVAL: ("found",), TRACES: ()}

RUN_AGAIN = "run the same grid again to make the cell anew"


def read_table(path: Path, *, quotable: bool, tell: Tell) -> pa.Table | None:
    """Return the table in ``path`` if every column is as a run writes it; tell what is not."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Closed by itself: an open file would be one too many among ten thousand.
        with pq.ParquetFile(path) as opened:
            if not _fits(opened, path.name, tell):
                return None
            schema = opened.schema_arrow
            may_go_on = check_no_text(schema, path.name, quotable=quotable, tell=tell)
            may_go_on = _check_columns(schema, path.name, tell) and may_go_on
            return opened.read() if may_go_on else None
    except (pa.ArrowException, OSError, ValueError) as error:
        first = (str(error).splitlines() or [""])[0]
        tell("not-parquet", f"{path.name} cannot be read as Parquet ({shown(first)}); {RUN_AGAIN}")
    return None


def _fits(opened: pq.ParquetFile, name: str, tell: Tell) -> bool:
    about = opened.metadata
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    n_bytes = sum(column.total_uncompressed_size for column in columns)
    n_values = sum(column.num_values for column in columns)
    if about.num_rows <= MOST_ROWS and n_bytes <= MOST_BYTES and n_values <= 30 * MOST_ROWS:
        return True
    tell("size", f"{name} holds {about.num_rows:,} rows, {n_values:,} values and "
         f"{n_bytes / 1e6:,.0f} MB unpacked; expected at most {MOST_ROWS:,} rows and "
         f"{MOST_BYTES / 1e6:,.0f} MB; attack fewer texts")  # fmt: skip
    return False


def check_no_text(schema: pa.Schema, name: str, *, quotable: bool, tell: Tell) -> bool:
    """Return whether a table has no text, or may have it; tell where it may not."""
    import pyarrow as pa

    plain = {*STRINGS[name], *NUMBERS[name], *LISTS[name], *SOMETIMES}
    texts = [
        field.name
        for field in schema
        if field.name in TEXT_COLUMNS
        or (field.name not in plain and not pa.types.is_floating(field.type))
    ]
    told = list(schema.metadata or ()) if not quotable else []
    if quotable or not (texts or told):
        return True
    what = f"columns {', '.join(map(shown, texts))}" if texts else "metadata of its own"
    tell("restricted-text", f"{name} has {what}, which may hold text of a collection that may not "
         "be passed on; expected ids, hashes and scores; leave --keep-text and --trace out and "
         "run again")  # fmt: skip
    return False


def _check_columns(schema: pa.Schema, name: str, tell: Tell) -> bool:
    import pyarrow as pa

    allowed = {*STRINGS[name], *NUMBERS[name], *LISTS[name]}
    needed = set(allowed)
    if name == SAMPLES:
        allowed |= {*SOMETIMES, *TEXT_COLUMNS}
    elif name == TRACES:
        allowed |= {"guess"}
    missing = sorted(needed - set(schema.names))
    more = sorted(set(schema.names) - allowed)
    twice = len(set(schema.names)) < len(schema.names)
    if missing or more or twice:
        what = [f"lacks {', '.join(missing)}"] if missing else []
        what += [f"has {', '.join(map(shown, more))}"] if more else []
        what += ["has a column twice"] if twice else []
        tell("columns", f"{name} {' and '.join(what)}; expected the columns that v2t-bench run "
             f"writes; {RUN_AGAIN}")  # fmt: skip
        return False
    for field in schema:
        wanted = pa.float64()
        if field.name in (*STRINGS[name], *TEXT_COLUMNS):
            wanted = pa.string()
        elif field.name in LISTS[name]:
            wanted = pa.list_(pa.string())
        elif field.name == "step":
            wanted = pa.int64()
        # A label that is everywhere null is written so, and a list by another name of its inside.
        if field.type != wanted and not (
            pa.types.is_list(wanted) and pa.types.is_list(field.type)
            and field.type.value_type == pa.string()
        ):  # fmt: skip
            tell("columns", f"{name}: {field.name} is of type {field.type}; expected {wanted}; "
                 f"{RUN_AGAIN}")  # fmt: skip
            return False
    return True
