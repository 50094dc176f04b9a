"""The search space of padim: which features, how many of them, and how much is taken for variation."""

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

SPACE: dict[str, BaseDistribution] = {
    # the paper joins three; without the finest a bank is a quarter as large and as good
    "levels": CategoricalDistribution(["8+16", "4+8+16", "8", "16"]),
    # of 152 at strides 8 and 16; a covariance of each takes their square
    "dimensions": IntDistribution(40, 140, step=20),
    # as in patch_gaussian
    "shrinkage": FloatDistribution(1e-3, 0.3, log=True),
    "floor": FloatDistribution(1e-4, 0.3, log=True),
    # of the map; the paper's is 4 px
    "smoothing_px": FloatDistribution(0.0, 8.0),
}

_DEFAULT = {"levels": "8+16", "dimensions": 100, "shrinkage": 0.01, "floor": 1e-3, "smoothing_px": 4.0}
PRESETS: dict[str, dict[str, float | str]] = {
    "padim": _DEFAULT,
    "tolerant": _DEFAULT | {"floor": 0.1},
}
