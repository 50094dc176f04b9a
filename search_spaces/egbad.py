"""The search space of egbad: learning rate, and the share of D's features in the score."""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    # 1e-5 is the authors', for long trainings; 2e-4 is DCGAN's
    "lr": FloatDistribution(1e-5, 1e-3, log=True),
    # .1 is the authors'; at 0 only pixels count
    "feature_share": FloatDistribution(0.0, 0.9),
}

PRESETS: dict[str, dict[str, float]] = {
    "egbad": {"lr": 1e-5, "feature_share": 0.1},
    "short_training": {"lr": 2e-4, "feature_share": 0.1},
}
