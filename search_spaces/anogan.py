"""The search space of anogan: DCGAN's learning rate, and the search for a code: its step size and its loss."""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    # a decade around DCGAN's 2e-4
    "lr": FloatDistribution(2e-5, 2e-3, log=True),
    # of Adam on the code: at .001 it hardly leaves its start in 500 steps, at .1 it may overshoot
    "latent_lr": FloatDistribution(1e-3, 0.1, log=True),
    # .1 is the paper's lambda; at 0 only pixels count
    "feature_share": FloatDistribution(0.0, 0.5),
}

PRESETS: dict[str, dict[str, float]] = {
    "anogan": {"lr": 2e-4, "latent_lr": 0.02, "feature_share": 0.1},
    "fast_search": {"lr": 2e-4, "latent_lr": 0.1, "feature_share": 0.1},
}
