"""The search space of patch_gaussian: how large a defect's cells are, and how much is taken for variation."""

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

SPACE: dict[str, BaseDistribution] = {
    # 4 px suit most; 8 px and more blur small defects away, but forgive parts that shift
    "cell_px": IntDistribution(2, 8),
    # of the map; at 2 cells a defect of one cell drowns
    "smoothing_cells": FloatDistribution(0.0, 2.0),
    # PaDiM's .01; with few normal images more
    "shrinkage": FloatDistribution(1e-3, 0.3, log=True),
    # towards .1 plain backgrounds and edges that never move are no longer judged more sternly than all else
    "floor": FloatDistribution(1e-5, 0.1, log=True),
}

PRESETS: dict[str, dict[str, float]] = {
    "patch_gaussian": {"cell_px": 4, "smoothing_cells": 0.7, "shrinkage": 0.01, "floor": 1e-3},
    "tolerant": {"cell_px": 4, "smoothing_cells": 0.7, "shrinkage": 0.01, "floor": 0.03},
}
