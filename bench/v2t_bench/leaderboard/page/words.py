"""What the page says in plain words: the flags of rows, and the terms of the field."""

from __future__ import annotations

# Ends of names are open: what follows the colon is told behind the label.
FLAGS = {
    "below-floor": ("below a floor", "A learned attack that is not clearly better than guessing "
                    "without the vector, or than looking up a similar public text."),
    "by:": ("chosen threat", "What the attacker reported as the worst case knew."),
    "contaminated": ("seen in training", "More than 1 % of the attacked texts were found in what "
                     "the attack was trained on: recovery may be recital."),
    "fast-oracle": ("fast oracle", "What the attack asked of the embedder was computed in lower "
                    "precision."),
    "few-seeds": ("few seeds", "The defense draws at random and was drawn too few times: fewer "
                  "than 5 for search or 3 for text."),
    "incomplete": ("incomplete", "A measurement that other rows of the table have is missing, so "
                   "there is no worst case."),
    "known-item": ("known item", "The collection has no queries: the second piece of a document "
                   "must find its first."),
    "no-utility": ("no search score", "Search was not measured, or there is nothing to search "
                   "for."),
    "not-applicable-unless-key-leaks": ("key decides", "What is released says nothing without "
                                        "the owner's key, so nothing was attacked."),
    "not-rebuildable": ("cannot be rebuilt", "Nobody can make the collection again from public "
                        "sources."),
    "oblivious-only": ("oblivious only", "No attacker who knows the defense was tried. The row is "
                       "an upper bound on what the defense buys, and no proof of safety."),
    "stand-in": ("stand-in", "A smaller public collection in place of the one that was asked "
                 "for."),
    "trained-against:": ("trained against", "The attack was trained on vectors released by that "
                         "defense."),
    "trained-on-": ("trained on", "The attack was trained on texts of another length."),
    "unofficial": ("unofficial", "A shortened sample: a quick look, not a result."),
    "weak-attack": ("weak attack", "Even without a defense the attack reads little, so a low "
                    "number says nothing good about the defense."),
    "worst-of:": ("worst of", "Of how many combinations of attack and threat the worst was "
                  "chosen."),
}  # fmt: skip
_UNKNOWN = "A mark that this version of the page has no words for."

FAMILIES = {
    "additive": "adds noise",
    "lossy": "drops detail",
    "keyed": "transforms with a key",
    "mask": "masks coordinates",
    "opaque": "releases nothing to compute with",
    "other": "other",
}

GLOSSARY = (
    ("Embedding", "A list of numbers that a model makes of a text, so that texts with like "
     "meanings have like numbers. Search engines store one for every document."),
    ("Inversion", "Reading a text, or part of it, back out of its embedding."),
    ("Defense", "What the owner does to embeddings before storing or sharing them: adding noise, "
     "rounding, dropping coordinates, turning them with a secret key."),
    ("NDCG@10", "How well the first ten results of a search are ordered, from 0 to 1. Search kept "
     "is the share of it that is left under a defense."),
    ("BLEU, bleu_norm", "How much of a guess agrees with the text in runs of one to four words, "
     "from 0 to 100. bleu_norm ignores what the embedder cannot see, such as case."),
    ("Worst case", "The strongest attack and threat that were tried on a defense. It is chosen on "
     "one half of the texts and reported on the other, so that luck is not counted."),
    ("Oblivious, adaptive", "An oblivious attacker does not know the defense. An adaptive one "
     "does, and undoes what can be undone before it reads."),
    ("Floors", "What can be had without reading the vector: silence, the same attack without the "
     "vector (prior), and the closest public text (nearest)."),
    ("Headroom", "What the attack reads without a defense, less what it gets without the vector. "
     "Below 10 the attack is too weak to rank defenses by."),
    ("Interval", "Where the number would lie in 95 of 100 repetitions with other texts or "
     "queries; the thin lines in the picture. There is none for fewer than 30 texts."),
    ("Pareto front", "The rows that no other row of the table beats both in search kept and in "
     "text read."),
    ("Seed", "A defense that draws at random is measured several times; the mean is shown."),
)  # fmt: skip


def flag_words(flag: str) -> tuple[str, str]:
    """Return a label for a flag, and what it means."""
    if flag in FLAGS:
        return FLAGS[flag]
    for start, (label, meaning) in FLAGS.items():
        rest = flag.removeprefix(start)
        if start[-1] in ":-" and rest not in ("", flag):
            if start == "trained-on-":
                rest = rest.replace("-", " ")
            return f"{label}: {rest}" if start[-1] == ":" else f"{label} {rest}", meaning
    return flag, _UNKNOWN
