"""The search space of ganomaly: learning rate and the weights of its three losses. Its own weights come first."""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    # a decade around the authors' 2e-4
    "lr": FloatDistribution(2e-5, 2e-3, log=True),
    # its adversarial loss is feature matching and starts large: towards .02 it no longer shapes the image
    "w_adv": FloatDistribution(0.02, 10.0, log=True),
    # 50 is the authors'; they report that less blurs and more ignores D
    "w_con": FloatDistribution(1.0, 200.0, log=True),
    # the score is this very distance: too much weight teaches both encoders to say the same of everything
    "w_lat": FloatDistribution(0.02, 10.0, log=True),
}

PRESETS: dict[str, dict[str, float]] = {
    "ganomaly": {"lr": 2e-4, "w_adv": 1.0, "w_con": 50.0, "w_lat": 1.0},
    "slow_latent": {"lr": 2e-4, "w_adv": 1.0, "w_con": 50.0, "w_lat": 0.1},
}
