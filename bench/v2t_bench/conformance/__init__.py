"""The promises of `v2t_bench.contracts` as checks, for plugin authors and for ourselves.

A check takes a function that makes the component, and raises `BrokenPromise` with what was
wrong, what was expected and what to do. It needs numpy, and neither a model nor a network::

    @pytest.mark.parametrize("check", DEFENSE_CHECKS)
    def test_keeps_its_promises(check):
        check(lambda secret: Round(decimals=2))

``make`` builds a new component at every call: a defense from a `Secret`, the others from
nothing. A component with a fixed dimension is given its own vectors or its own embedder:
``check(make, vectors)``, ``check(make, embedder)``. Recipes are checked where they are
registered: ``check(registry, "defenses", "echo-round:2")``.
"""

from v2t_bench.conformance.attacks import ATTACK_CHECKS, AttackCheck, check_attack
from v2t_bench.conformance.defenses import DEFENSE_CHECKS, DefenseCheck, check_defense
from v2t_bench.conformance.embedders import EMBEDDER_CHECKS, EmbedderCheck, check_embedder
from v2t_bench.conformance.recipes import RECIPE_CHECKS, RecipeCheck, check_recipe
from v2t_bench.conformance.world import LetterPairs, random_vectors

__all__ = [
    "EMBEDDER_CHECKS",
    "DEFENSE_CHECKS",
    "ATTACK_CHECKS",
    "RECIPE_CHECKS",
    "check_embedder",
    "check_defense",
    "check_attack",
    "check_recipe",
    "EmbedderCheck",
    "DefenseCheck",
    "AttackCheck",
    "RecipeCheck",
    "LetterPairs",
    "random_vectors",
]
