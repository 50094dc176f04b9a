"""The search space of skip_ganomaly: that of the paper's model, which has the same losses, less the scores that its
training on forged defects has. Its own weights come first.
"""

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    # means of the residuals, or how unusual they are at their place: model/parts/calibrated_residual.py
    "score": CategoricalDistribution(("paper", "calibrated")),
    # a decade around the 2e-4 of both papers: below, short trainings stand still; above, the two networks diverge
    "lr": FloatDistribution(2e-5, 2e-3, log=True),
    # .5 and 1 are the presets; towards .02 the model is a plain autoencoder, towards 10 it may hallucinate
    "w_adv": FloatDistribution(0.02, 10.0, log=True),
    # the reference code's 50 and the paper's .3 are both inside
    "w_con": FloatDistribution(0.1, 200.0, log=True),
    # 1 and .2 are the presets; it pulls on the discriminator too, whose features collapse under a large one
    "w_lat": FloatDistribution(0.02, 10.0, log=True),
    # the paper states no score formula: .9 is Skip-GANomaly's; at 1 D's features, which move in training, have no say
    "score_w_pixel": FloatDistribution(0.5, 1.0),
}

_SKIP_GANOMALY = {"score": "paper", "lr": 2e-4, "w_adv": 1.0, "w_con": 50.0, "w_lat": 1.0, "score_w_pixel": 0.9}

PRESETS: dict[str, dict[str, float | str]] = {
    "skip_ganomaly": _SKIP_GANOMALY,
    "calibrated": {**_SKIP_GANOMALY, "score": "calibrated"},
    "paper": {**_SKIP_GANOMALY, "w_adv": 0.5, "w_con": 0.3, "w_lat": 0.2},
    "pixel_score": {**_SKIP_GANOMALY, "score_w_pixel": 1.0},
}
