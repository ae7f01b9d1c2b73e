"""v2t-bench: how much text can be read back out of embeddings, and what defenses cost."""

import pluggy

__all__ = ["hookimpl"]

hookimpl = pluggy.HookimplMarker("v2t_bench")
"""Mark a plugin's function as the implementation of a hook in `v2t_bench.hookspecs`."""
