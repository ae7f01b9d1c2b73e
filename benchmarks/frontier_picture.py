"""Draw what each defense keeps of search against what is still read: the frontier, as SVG.

    python -m benchmarks.frontier_picture defenses.csv -o frontier.svg

For each corpus and attack a panel, since defenses that other attacks were run against cannot be
compared. x is the share of NDCG@10 that is kept, drawn wider towards 1; y the attack's highest
bleu_norm over all threats, with the 95 % interval of that row. A hollow marker shows the one who
does not know the defense. The highest of several is a little too high by chance; the rows
``worst`` of the board, chosen on other texts, are not. An opaque defense has no y.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.defense_rows import FLOORS, Release, Score, name_of, read_releases

from v2t_bench.leaderboard.families import LOOKS, look_of
from v2t_bench.leaderboard.plane import BEYOND, front, narrowed, widened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WEAK = 10.0


def with_attack(releases: Sequence[Release], attack: str) -> list[Release]:
    """Return the releases that have rows of an attack, with these and the floors alone.

    Of several numbers of attacked texts the most frequent one counts.
    """
    found = []
    counts = Counter(
        row["n_texts"]
        for release in releases
        for row in release.rows
        if name_of(row) == attack and row["threat"] != "worst"
    )
    usual = counts.most_common(1)[0][0]
    for release in releases:
        rows = [
            row
            for row in release.rows
            if name_of(row) in ("", attack, *FLOORS) and row["n_texts"] in ("", usual)
        ]
        own = replace(release, rows=rows)
        if rows and (release.family == "opaque" or own.worst()):
            found.append(own)
    return found


def ends(score: Score) -> list[list[float]] | None:
    if score.low is None or score.high is None:
        return None
    return [[score.value - score.low], [score.high - score.value]]


def draw_release(axes: Axes, release: Release) -> tuple[float, float] | None:
    """Draw one defense, and return its point if it has one."""
    kept, score = release.number("ndcg_kept"), release.worst()
    if kept is None or score is None:
        return None
    shape, colour = look_of(release.defense)
    oblivious = release.worst(threat="oblivious")
    if oblivious is not None and oblivious.value < score.value:
        axes.plot([kept, kept], [oblivious.value, score.value], color=colour, lw=0.7, zorder=2)
        axes.plot([kept], [oblivious.value], shape, mfc="white", mec=colour, ms=4, zorder=3)
    axes.errorbar([kept], [score.value], yerr=ends(score), fmt=shape, color=colour, ms=5,
                  elinewidth=0.6, zorder=4)  # fmt: skip
    axes.annotate(release.short, (kept, score.value), xytext=(3, 3), textcoords="offset points",
                  fontsize=5)  # fmt: skip
    return kept, score.value


def draw_panel(axes: Axes, corpus: str, releases: Sequence[Release]) -> None:
    """Draw one corpus under one attack."""
    defended = [release for release in releases if release.defense != "none"]
    points = [draw_release(axes, release) for release in defended]
    base = next((release for release in releases if release.defense == "none"), None)
    ceiling = None if base is None else base.worst()
    if base is not None and ceiling is not None:
        axes.errorbar([1], [ceiling.value], yerr=ends(ceiling), fmt="*", color="black", ms=9)
        axes.annotate("undefended", (1, ceiling.value), xytext=(-42, 6), fontsize=6,
                      textcoords="offset points")  # fmt: skip
        if nearest := base.worst("nearest"):
            axes.axhline(nearest.value, color="black", lw=0.6, ls="--")
            if nearest.low is not None and nearest.high is not None:
                axes.axhspan(nearest.low, nearest.high, color="black", alpha=0.06, lw=0)
            axes.annotate("nearest public text, undefended", (0.01, nearest.value), fontsize=6,
                          xycoords=("axes fraction", "data"), va="bottom")  # fmt: skip
    line = front([point for point in points if point is not None])
    axes.step(*zip(*line, strict=True), where="post", color="black", lw=0.8, label="Pareto front")
    opaque = [release.short for release in defended if release.family == "opaque"]
    if opaque:
        axes.text(0.02, 0.02, f"{', '.join(opaque)}: not applicable unless the key leaks",
                  transform=axes.transAxes, fontsize=6)  # fmt: skip
    axes.set_title(title(corpus, releases), fontsize=8)
    axes.set_xlabel("share of NDCG@10 kept")
    axes.set_ylabel("bleu_norm, worst attacker")
    axes.set_xscale("function", functions=(widened, narrowed))
    axes.set_xlim(0, BEYOND)
    axes.set_xticks([0, 0.5, 0.8, 0.9, 0.95, 0.98, 1])
    axes.set_ylim(bottom=0)


def title(corpus: str, releases: Sequence[Release]) -> str:
    """Return what is attacked and by what, and whether that is too weak to call anything safe."""
    rows = [score.row for release in releases for score in release.scores("")]
    attacks = sorted({name_of(row) for row in rows})
    headroom = max((float(row["headroom"]) for row in rows if row["headroom"]), default=0.0)
    texts = ", ".join(sorted({row["n_texts"] for row in rows}))
    weak = ": attack too weak to call anything safe" if headroom < WEAK else ""
    return f"{corpus}, n = {texts}; {', '.join(attacks)}\nheadroom {headroom:.1f}{weak}"


def picture(releases: Sequence[Release], out: Path) -> None:
    """Write the picture; the same rows give the same bytes."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    attacks = {
        (release.corpus, name_of(score.row)): None
        for release in releases
        for score in release.scores("")
    }
    with mpl.rc_context({"svg.hashsalt": "v2t-bench", "svg.fonttype": "none", "font.size": 7}):
        figure, panels = pyplot.subplots(
            len(attacks), 1, figsize=(7.2, 4.4 * len(attacks)), squeeze=False
        )
        for axes, (corpus, attack) in zip(panels[:, 0], sorted(attacks), strict=True):
            own = [release for release in releases if release.corpus == corpus]
            draw_panel(axes, corpus, with_attack(own, attack))
        keys: list[Any] = [
            Line2D([], [], marker=shape, color=colour, ls="", label=family)
            for family, (shape, colour) in LOOKS.items()
            if any(r.family == family and r.defense != "none" for r in releases)
        ]
        keys += [
            Line2D([], [], marker="o", mfc="white", mec="black", ls="", label="who does not know"),
            Line2D([], [], color="black", lw=0.8, label="Pareto front"),
        ]
        panels[0][0].legend(handles=keys, fontsize=6, loc="lower right")
        figure.tight_layout()
        figure.savefig(out, format="svg", metadata={"Date": None})
        pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    try:
        picture(read_releases(given.files), given.output)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        parser.exit(2, f"error: {error}\n")
    except ModuleNotFoundError:
        parser.exit(2, "error: matplotlib is missing; pip install 'v2t-bench[figures]'\n")


if __name__ == "__main__":
    main()
