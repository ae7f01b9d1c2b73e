"""Print boards of defenses as Markdown: what each keeps, and what each attacker reads.

    python -m benchmarks.defense_tables leaderboards/studies/defenses.csv --corpus nq
    python -m benchmarks.defense_tables leaderboards/studies/defenses.csv --corpus nq --noise

Scores are bleu_norm with 95 % intervals. Of several numbers of pairs the one that reads most is
shown, with it. ``--noise`` prints the curve of white noise beside the Vec2Text paper's own table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.defense_rows import Release, Score, name_of, read_releases

THREATS = ("oblivious", "adaptive:denoise", "adaptive:align", "adaptive:retrain")
SIGMAS = ("0", "0.001", "0.01", "0.02", "0.03", "0.05", "0.1")
# Morris et al. 2023, table 7: GTR-base, documents of 32 tokens, means of BEIR collections, ten
# steps; sigma: NDCG@10, BLEU. The column 1 is left out.
PAPER = {"0": (0.302, 80.4), "0.001": (0.302, 72.3), "0.01": (0.296, 10.3), "0.1": (0.002, 0.15)}


def shown(score: Score | None) -> str:
    if score is None:
        return ""
    pairs = score.row["pairs"] if score.row["threat"] == "adaptive:align" else ""
    return score.told() + (f", P={pairs}" if pairs else "")


def kept(release: Release) -> str:
    share = release.number("ndcg_kept")
    return "" if share is None else f"{share:.3f}"


def attacks_of(releases: Sequence[Release]) -> list[str]:
    names = [name_of(score.row) for r in releases for score in r.scores("")]
    return list(dict.fromkeys(names))


def table(releases: Sequence[Release]) -> list[str]:
    """Return the lines of the table: a line a defense and attack."""
    header = ("defense", "kept", "SNR, dB", "bytes", "attack", "n",
              *(threat.partition(":")[2] or threat for threat in THREATS))  # fmt: skip
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for release in releases:
        snr, size = release.number("snr_db"), release.number("bytes_per_vector")
        about = [
            f"`{release.short}`", kept(release), "" if snr is None else f"{snr:.1f}",
            "" if size is None else f"{size:.0f}",
        ]  # fmt: skip
        for attack in attacks_of([release]):
            found = [release.worst(attack, threat) for threat in THREATS]
            n = next(score.row["n_texts"] for score in found if score is not None)
            lines.append("| " + " | ".join([*about, attack, n, *map(shown, found)]) + " |")
            about = [""] * 4
        if not attacks_of([release]):
            lines.append(
                "| " + " | ".join([*about, release.rows[0]["flags"], "", *[""] * 4]) + " |"
            )
    return lines


def undefended(releases: Sequence[Release]) -> Release | None:
    return next((release for release in releases if release.defense == "none"), None)


def remarks(releases: Sequence[Release]) -> list[str]:
    """Return which defenses fall to whom, by intervals that do not overlap."""
    base = undefended(releases)
    lines = []
    for release in releases:
        for attack in attacks_of([release]):
            oblivious = release.worst(attack, "oblivious")
            knowing = release.worst(attack, "adaptive")
            if oblivious is None or knowing is None or release is base:
                continue
            ceiling = None if base is None else base.worst(attack)
            words = []
            if (knowing.low or 0.0) > (oblivious.high or float("inf")):
                words.append(f"reads more than who does not know ({oblivious.told()})")
            if ceiling is not None and knowing.value >= 0.9 * ceiling.value:
                words.append(f"at least 90 % of undefended ({ceiling.told()})")
            if words:
                what = knowing.row["threat"].partition(":")[2]
                lines.append(f"- `{release.short}`, {attack}, {what}: {shown(knowing)}: "
                             + "; ".join(words))  # fmt: skip
    return lines


def noise_curve(releases: Sequence[Release]) -> list[str]:
    """Return the lines of the curve of white noise, beside the paper's."""
    by_sigma = {"0": undefended(releases)}
    for release in releases:
        if release.defense.startswith("noise:on=both,sigma=") and "+" not in release.defense:
            by_sigma[release.defense.rpartition("=")[2]] = release
    attacks = attacks_of([release for release in by_sigma.values() if release is not None])
    columns = [(attack, threat) for attack in attacks for threat in THREATS[:3]]
    header = ["sigma", "SNR, dB", "NDCG@10", "kept",
              *(f"{attack}, {threat.rpartition(':')[2]}" for attack, threat in columns),
              "paper's NDCG@10", "paper's BLEU"]  # fmt: skip
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for sigma in SIGMAS:
        cells = [sigma]
        measured = by_sigma.get(sigma)
        if measured is None:
            cells += [""] * (3 + len(columns))
        else:
            snr, ndcg = measured.number("snr_db"), measured.number("ndcg_at_10")
            cells += ["" if snr is None else f"{snr:.1f}", f"{ndcg:.3f}", kept(measured)]
            cells += [shown(measured.worst(attack, threat)) for attack, threat in columns]
        cells += [f"{value:g}" for value in PAPER.get(sigma, ())] or ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--corpus", default="", help="such as nq; default: all")
    parser.add_argument("--noise", action="store_true", help="the curve of white noise")
    given = parser.parse_args()
    try:
        releases = read_releases(given.files, given.corpus)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        parser.exit(2, f"error: {error}\n")
    for corpus in dict.fromkeys(release.corpus for release in releases):
        own = [release for release in releases if release.corpus == corpus]
        print(f"\n{corpus}\n")
        print(*(noise_curve(own) if given.noise else [*table(own), "", *remarks(own)]), sep="\n")


if __name__ == "__main__":
    main()
