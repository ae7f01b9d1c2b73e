"""``v2t-bench leaderboard html``."""

from __future__ import annotations

from pathlib import Path

import click

from v2t_bench.cli import EXIT_FAILED
from v2t_bench.cli.leaderboard_build import tell_what_is_left_out
from v2t_bench.cli.options import tell
from v2t_bench.cli.results_argument import takes_results


@click.command("html", short_help="Write the boards as one page.")
@takes_results
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False),
    default=Path("leaderboards/index.html"), show_default=True, help="The page.",
)  # fmt: skip
@click.option(
    "--quote", multiple=True, metavar="CORPUS=ATTRIBUTION",
    help="Show texts of this collection too, which you may pass on, and say whose they are.",
)  # fmt: skip
def command(results: tuple[Path, ...], output: Path, quote: tuple[str, ...]) -> None:
    """Write the boards of the cells in RESULTS as one page that fetches nothing.

    The same cells give the same bytes, in whatever order they are named. Recovered texts are
    shown of the generated collections, and of those named by --quote if run kept them
    (--keep-text); of no others.
    """
    from v2t_bench.canonical import content_hash, write_atomically
    from v2t_bench.errors import BadInput
    from v2t_bench.leaderboard.board import build_board
    from v2t_bench.leaderboard.gathered import gather
    from v2t_bench.leaderboard.packed_results import SUFFIX
    from v2t_bench.leaderboard.page.examples import examples, parse_quotes
    from v2t_bench.leaderboard.page.rendering import Provenance, page_text
    from v2t_bench.registry import our_version

    quotes = parse_quotes(quote)
    if output.exists() and not output.is_file():
        # It would be replaced by a file, a device too.
        raise BadInput(f"{output} is there and is not a file; choose another name with -o")
    gathered = gather(results)
    bad = tell_what_is_left_out(gathered)
    if not gathered.results:
        raise BadInput(f"{' '.join(map(str, results))}: there is no finished cell to show")
    board = build_board(gathered)
    shown = examples(gathered, board.rows, quotes)
    provenance = Provenance(
        version=our_version(),
        folders=sorted({folder.resolve().name.removesuffix(SUFFIX) for folder in results}),
        cells=len(gathered.results),
        fingerprint=content_hash([[one.cell_id, one.files] for one in gathered.results]),
    )
    text = page_text(board.rows, board.frontier, provenance, examples=shown)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, text)
    except OSError as error:
        raise BadInput(
            f"{output} cannot be written ({error.strerror}); choose another name with -o"
        ) from error
    size = len(text.encode()) / 1e6
    tell(f"{len(gathered.results)} cells: {len(board.frontier)} releases, {len(board.rows)} rows, "
         f"{len(shown)} readings of a few texts in {output} ({size:.1f} MB)")  # fmt: skip
    if bad:
        raise click.exceptions.Exit(EXIT_FAILED)
