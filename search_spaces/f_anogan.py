"""The search space of f_anogan: the learning rates of its two phases, and the weight of the critic's features."""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    # of the WGAN-GP; 1e-4 is the authors'
    "lr": FloatDistribution(2e-5, 1e-3, log=True),
    # of the encoder; the authors' 5e-5 takes tens of thousands of steps
    "encoder_lr": FloatDistribution(2e-5, 2e-3, log=True),
    # 1 is the authors'; towards .01 the score is a pixel residual
    "kappa": FloatDistribution(0.01, 10.0, log=True),
}

PRESETS: dict[str, dict[str, float]] = {
    "f_anogan": {"lr": 1e-4, "encoder_lr": 5e-5, "kappa": 1.0},
    "short_training": {"lr": 2e-4, "encoder_lr": 5e-4, "kappa": 1.0},
}
