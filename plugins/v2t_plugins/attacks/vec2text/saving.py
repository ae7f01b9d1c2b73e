"""Writing the checkpoint that `Networks.load` reads."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from v2t_plugins.attacks.vec2text.model import NetworkConfig
from v2t_plugins.attacks.vec2text.networks import BASE, CORRECTOR, LEXICAL, SHARED
from v2t_plugins.attacks.vec2text.shared import Both, Shared, roles
from v2t_plugins.networks import Weights, save_network, save_tensors, write_json
from v2t_plugins.subwords import save_tokenizer


def save(
    folder: Path,
    networks: Both,
    tokenizer: PreTrainedTokenizerBase,
    config: NetworkConfig,
    weights: Weights,
) -> None:
    """Write everything `Networks.load` reads into ``folder``, its numbers as ``weights`` says."""
    write_json(folder / "config.json", config.to_json())
    save_tokenizer(tokenizer, folder)
    lexical = roles(networks)[0].lexical
    if lexical is not None:
        fitted = lexical.fitted()
        # The bias of a ridge regression is of another magnitude than the rest of a row.
        apart = [name for name in ("weight",) if name in fitted]
        save_tensors(folder / LEXICAL, fitted, weights=weights, last_apart=apart)
    if isinstance(networks, Shared):
        save_network(folder / SHARED, networks, weights=weights)
    else:
        for name, network in zip((BASE, CORRECTOR), networks, strict=True):
            save_network(folder / name, network, weights=weights)
