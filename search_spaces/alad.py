"""The search space of alad: learning rate and Adam's momentum, which the balance of its five networks hangs on."""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    # a decade around the authors' 2e-4
    "lr": FloatDistribution(2e-5, 2e-3, log=True),
    # .5 is the authors'; 0 suits strong discriminators
    "beta1": FloatDistribution(0.0, 0.9),
}

PRESETS: dict[str, dict[str, float]] = {
    "alad": {"lr": 2e-4, "beta1": 0.5},
    "fast": {"lr": 1e-3, "beta1": 0.5},
}
