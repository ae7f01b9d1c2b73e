"""What v2t-bench ships: embedders, attacks and defenses, written as a stranger would."""

# Names, not modules: listing them must import nothing heavy.
MODULES: tuple[str, ...] = (
    "v2t_plugins.attacks.aligner",
    "v2t_plugins.attacks.bag_of_words",
    "v2t_plugins.attacks.gpt2",
    "v2t_plugins.attacks.nearest",
    "v2t_plugins.attacks.oracle_search",
    "v2t_plugins.attacks.prior",
    "v2t_plugins.attacks.shuffled",
    "v2t_plugins.attacks.silent",
    "v2t_plugins.attacks.vec2text",
    "v2t_plugins.defenses.noise",
    "v2t_plugins.defenses.none",
    "v2t_plugins.embedders.gtr",
    "v2t_plugins.embedders.gtr_st",
    "v2t_plugins.embedders.hashed",
    "v2t_plugins.embedders.lsa",
    "v2t_plugins.embedders.minilm",
    "v2t_plugins.embedders.openai_api",
    "v2t_plugins.embedders.sentence_transformer",
    "v2t_plugins.embedders.static",
)
