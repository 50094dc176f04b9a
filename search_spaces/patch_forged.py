"""The search space of patch_forged: its learning rate, its Gaussians, its forgeries, and what its score is made of.

The presets come first, in this order, and are most of what a short search tries: docs/results/detectors-cpu.md has what
each part brought on real categories. `patch_forged` and `tolerant` suit small and large images, and aligned and less
aligned parts; `sharp` judges plain backgrounds sternly, for faint defects.
"""

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

SPACE: dict[str, BaseDistribution] = {
    # of AdamW; a decade around 2e-3
    "lr": FloatDistribution(5e-4, 1e-2, log=True),
    # of the network
    "width": IntDistribution(24, 96, step=24),
    # one scale, or the half one too
    "levels": IntDistribution(1, 2),
    # towards .1 plain backgrounds and edges that never move are no longer judged more sternly than all else
    "floor": FloatDistribution(1e-4, 0.3, log=True),
    # the largest forged defect, from a tenth to six tenths of the shorter side
    "forged_size": FloatDistribution(0.05, 0.3, log=True),
    # below .1 most cells that count as defective look like normal ones
    "forged_opacity": FloatDistribution(0.1, 0.7),
    "forgeries": CategoricalDistribution(["all", "pasted", "painted"]),
    # beside 1 for the focal loss, which is about a tenth of it
    "w_dice": FloatDistribution(0.0, 0.5),
    # of both maps; at 2 cells a defect of one cell drowns
    "smoothing_cells": FloatDistribution(0.0, 2.0),
    # 0: the network alone
    "w_distance": FloatDistribution(0.0, 2.0),
}

_DEFAULT = {
    "lr": 2e-3,
    "width": 48,
    "levels": 2,
    "floor": 0.01,
    "forged_size": 0.15,
    "forged_opacity": 0.35,
    "forgeries": "all",
    "w_dice": 0.05,
    "smoothing_cells": 0.7,
    "w_distance": 1.0,
}
PRESETS: dict[str, dict[str, float | str]] = {
    "patch_forged": _DEFAULT,
    "tolerant": _DEFAULT | {"floor": 0.1},
    "sharp": _DEFAULT | {"levels": 1, "floor": 1e-3},
    "network": _DEFAULT | {"w_distance": 0.0},
}
