"""Settings of trainings: the one on the demo corpora, and those that are offered by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Enough to rank defenses on the demo corpora after minutes on two processor cores.
DEMO_TRAINING: Mapping[str, Any] = {
    "size": "tiny",
    "steps": 1600,
    "batch_size": 64,
    "options": {
        "vocabulary": "6000",
        "pseudo_tokens": "8",
        "hypotheses": "4000",
        "corrector_steps": "200",
        "learning_rate": "0.004",
    },
}

# Found on two processor cores, see docs/training-log.md: one network in both roles, short
# and long texts, everything that comes further in the same time.
TRAININGS: Mapping[str, Mapping[str, Any]] = {
    "minilm": {
        "size": "small",
        "max_tokens": 32,
        "min_tokens": 4,
        "fast_vectors": True,
        "batch_size": 128,
        "options": {
            "end_below": "0.4",
            "lexical": "bow",
            "optimizer": "muon",
            "pseudo_tokens": "4",
            "shared": "true",
            "store": "int8",
        },
    },
    # The demo inverter that a package carries, with more time than a first run would take.
    "demo": {
        "demo": True,
        "size": "tiny",
        "steps": 1800,
        "batch_size": 128,
        "options": {
            "corrector_steps": "800",
            "hypotheses": "8000",
            "learning_rate": "0.003",
            "optimizer": "muon",
            "pseudo_tokens": "4",
            "shared": "true",
            "store": "int8",
            "vocabulary": "6000",
        },
    },
}
