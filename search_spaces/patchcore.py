"""The search space of patchcore: which features, how many patches are kept, and how the map is read."""

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

SPACE: dict[str, BaseDistribution] = {
    # the paper's two; the finest one too for small defects, at four times the patches
    "levels": CategoricalDistribution(["8+16", "4+8+16", "8", "16"]),
    # greedily chosen, a thousand rows leave little to gain
    "bank": IntDistribution(500, 4000, log=True),
    "reweighted": CategoricalDistribution([False, True]),
    # of the map; the paper's is 4 px
    "smoothing_px": FloatDistribution(0.0, 8.0),
}

_DEFAULT = {"levels": "8+16", "bank": 1000, "reweighted": False, "smoothing_px": 4.0}
PRESETS: dict[str, dict[str, float | str | bool]] = {
    "patchcore": _DEFAULT,
    "three_levels": _DEFAULT | {"levels": "4+8+16"},
}
