"""The search space of mean_image: it has nothing to search, so its one trial is its default."""

from optuna.distributions import BaseDistribution

SPACE: dict[str, BaseDistribution] = {}

PRESETS: dict[str, dict[str, float]] = {"default": {}}
