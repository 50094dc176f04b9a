"""Search spaces and presets by model name; the names are those of model/catalog.py."""

from __future__ import annotations

from optuna.distributions import BaseDistribution

from search_spaces import mean_image, sa_skip_ganomaly, skip_ganomaly

SPACES: dict[str, dict[str, BaseDistribution]] = {
    "sa_skip_ganomaly": sa_skip_ganomaly.SPACE,
    "skip_ganomaly": skip_ganomaly.SPACE,
    "mean_image": mean_image.SPACE,
}

PRESETS: dict[str, dict[str, dict[str, float]]] = {
    "sa_skip_ganomaly": sa_skip_ganomaly.PRESETS,
    "skip_ganomaly": skip_ganomaly.PRESETS,
    "mean_image": mean_image.PRESETS,
}
