"""The search space of patch_forged: its learning rate, its Gaussians, and what its score is made of."""

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

SPACE: dict[str, BaseDistribution] = {
    # of AdamW; a decade around 2e-3
    "lr": FloatDistribution(5e-4, 1e-2, log=True),
    # one scale, or the half one too
    "levels": IntDistribution(1, 2),
    # towards .1 plain backgrounds and edges that never move are no longer judged more sternly than all else
    "floor": FloatDistribution(1e-5, 0.1, log=True),
    # of both maps; at 2 cells a defect of one cell drowns
    "smoothing_cells": FloatDistribution(0.0, 2.0),
    # 0: the network alone
    "w_distance": FloatDistribution(0.0, 2.0),
}

PRESETS: dict[str, dict[str, float]] = {
    "patch_forged": {"lr": 2e-3, "levels": 1, "floor": 1e-3, "smoothing_cells": 0.7, "w_distance": 1.0},
    "tolerant": {"lr": 2e-3, "levels": 1, "floor": 0.01, "smoothing_cells": 0.7, "w_distance": 1.0},
    "two_levels": {"lr": 2e-3, "levels": 2, "floor": 1e-3, "smoothing_cells": 0.7, "w_distance": 1.0},
    "network": {"lr": 2e-3, "levels": 1, "floor": 1e-3, "smoothing_cells": 0.7, "w_distance": 0.0},
}
