"""A submission made by hand: cells of a folder of somebody's own, without a model or a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from v2t_bench.results import (
    ADAPTATION_VERSION,
    METRICS_VERSION,
    SEARCH_VERSION,
    Result,
    cell_id,
)
from v2t_bench.samples import RETRIEVAL, SAMPLES, score_retrieval, score_samples
from v2t_bench.store import Store
from v2t_bench.threat import parse_threat

FINGERPRINT = "ab" * 32
PLUGINS = {"v2t-bench": "0.1.0", "v2t-gone": "9.9"}
SPACE: dict[str, Any] = {
    "weights": "gone-v1 4", "pooling": "sum", "dense": "", "normalize": True, "query_prompt": "",
    "document_prompt": "", "max_tokens": 512, "similarity": "cosine", "blind_to": ["case"],
}  # fmt: skip
NEAREST = 'nearest:checkpoint="texts@0123456789ab"'


@dataclass(frozen=True, kw_only=True)
class MadeCells:
    """Writes cells that fit one another; none of their plugins needs to be there.

    Args:
        folder: The results folder.
        corpus: What the rows call the collection.
        n: How many texts are attacked.
    """

    folder: Path
    corpus: str = "beir:made"
    n: int = 8

    @property
    def ids(self) -> list[str]:
        """The attacked documents, in the order in which seed 0 draws them."""
        start = f"v2t-bench sample 0 {FINGERPRINT} "
        names = [f"d{row}" for row in range(self.n)]
        return sorted(names, key=lambda name: hashlib.sha256(f"{start}{name}".encode()).digest())

    def write(self, defenses: Sequence[str] = ("noise:on=both,sigma=1",)) -> Path:
        """Write the undefended rows, the floors, and one attack on each defense."""
        undefended = self.utility("none")
        for attack in ("silent", NEAREST):
            self.leakage("none", attack, undefended, undefended)
        for defense in defenses:
            self.leakage(defense, NEAREST, self.utility(defense), undefended)
        return self.folder

    def utility(self, defense: str) -> str:
        """Write a cell of search, and return its id."""
        identity = self._identity(defense)
        table = pa.table({
            "query": ["q0", "q1"],
            "found": [["d0", "d1"], ["d1"]],
            "judgements": [json.dumps({"d0": 1}), json.dumps({"d0": 1})],
            "ndcg_at_10": [1.0, 0.0],
        })  # fmt: skip
        table, scores = score_retrieval(table)
        undefended = cell_id(self._identity("none"))
        return self._write(Result(
            kind="utility", cell_id=cell_id(identity), identity=identity,
            labels=self._labels(identity), scores=scores,
            facts={"n_documents": self.n, "n_pieces": self.n, "snr_db": None},
            references={"undefended_utility": undefended},
        ), {RETRIEVAL: table})  # fmt: skip

    def leakage(
        self, defense: str, attack: str, utility: str, undefended: str,
        threat: str = "oblivious:oracle=clean",
    ) -> str:  # fmt: skip
        """Write a cell of an attack, and return its id."""
        identity = self._leakage_identity(defense, attack, threat)
        per_text = dict.fromkeys(
            ("bleu", "bleu_norm", "bleu_eff", "token_f1", "token_precision", "token_recall",
             "exact", "exact_norm", "cos"), [0.0] * self.n)  # fmt: skip
        table = pa.table({
            "id": self.ids, "document": self.ids,
            "text_sha256": [hashlib.sha256(name.encode()).hexdigest() for name in self.ids],
            **per_text,
        })  # fmt: skip
        from v2t_bench.checkpoints import space_of

        _, scores = score_samples(table, space_of(SPACE))
        references = {
            "utility": utility,
            "undefended_utility": undefended,
            "undefended": cell_id(self._leakage_identity("none", attack, "oblivious:oracle=clean")),
        }
        spelled = parse_threat(threat)
        labels = self._labels(identity) | {
            "attack": attack, "threat": spelled.name, "oracle": spelled.oracle,
            "pairs": spelled.pairs, "flags": [],
            "plugins": [f"{name}=={version}" for name, version in PLUGINS.items()],
        }  # fmt: skip
        return self._write(Result(
            kind="leakage", cell_id=cell_id(identity), identity=identity, labels=labels,
            scores=scores, references=references,
            facts={"n_attacked": self.n, "redistributable": False},
        ), {SAMPLES: table})  # fmt: skip

    def _identity(self, defense: str) -> dict[str, Any]:
        return {
            "kind": "utility", "corpus": self.corpus, "fingerprint": FINGERPRINT, "split": "test",
            "track": "cut", "max_tokens": 32, "space": SPACE, "dim": 4, "defense": defense,
            "defense_seed": None, "metrics": METRICS_VERSION, "search": SEARCH_VERSION,
            "plugins": PLUGINS,
        }  # fmt: skip

    def _leakage_identity(self, defense: str, attack: str, threat: str) -> dict[str, Any]:
        spelled = parse_threat(threat)
        return self._identity(defense) | {
            "kind": "leakage", "n_texts": self.n, "sample_seed": 0, "limit": None,
            "attack": attack, "threat": threat,
            **({"adaptation": ADAPTATION_VERSION} if spelled.adaptive else {}),
        }  # fmt: skip

    def _labels(self, identity: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "corpus": self.corpus, "track": "cut", "fingerprint": FINGERPRINT[:12],
            "max_tokens": 32, "embedder": "gone:dim=4", "defense": identity["defense"],
            "noise_on": "" if identity["defense"] == "none" else "both", "seeds": "",
        }  # fmt: skip

    def _write(self, result: Result, tables: dict[str, pa.Table]) -> str:
        store = Store(self.folder)
        store.cells.mkdir(parents=True, exist_ok=True)
        return store.write(result, tables, may_hold_text=False).cell_id
