"""The search space of sa_skip_ganomaly: what its score is made of, learning rate, the weights of equation (8), and the
weight within the paper's score.

Adam divides a gradient by its size, so for the generator only the weights' ratios matter: log scales. Presets are
tried first, in order.
"""

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    # the last three also train on forged defects: see model/parts/restoring.py
    "score": CategoricalDistribution(("paper", "calibrated", "restored", "mask", "both")),
    # a decade around the 2e-4 of both papers: below, short trainings stand still; above, the two networks diverge
    "lr": FloatDistribution(2e-5, 2e-3, log=True),
    # .5 and 1 are the papers'; towards .02 the model is a plain autoencoder, towards 10 it may hallucinate
    "w_adv": FloatDistribution(0.02, 10.0, log=True),
    # the paper's .3 and the reference code's 50 are both inside: the disagreement is what the search settles
    "w_con": FloatDistribution(0.1, 200.0, log=True),
    # .2 and 1 are the papers'; it pulls on the discriminator too, whose features collapse under a large one
    "w_lat": FloatDistribution(0.02, 10.0, log=True),
    # the paper states no score formula: .9 is Skip-GANomaly's; at 1 D's features, which move in training, have no say
    "score_w_pixel": FloatDistribution(0.5, 1.0),
}

_PAPER = {"score": "paper", "lr": 2e-4, "w_adv": 0.5, "w_con": 0.3, "w_lat": 0.2, "score_w_pixel": 0.9}
_SKIP_GANOMALY = {**_PAPER, "w_adv": 1.0, "w_con": 50.0, "w_lat": 1.0}
_FORGED = {**_PAPER, "lr": 2e-3, "w_adv": 0.02, "w_con": 1.0, "w_lat": 0.02}

PRESETS: dict[str, dict[str, float | str]] = {
    "paper": _PAPER,
    "calibrated": {**_SKIP_GANOMALY, "score": "calibrated"},
    "restoring": {**_FORGED, "score": "restored"},
    "forged_mask": {**_FORGED, "score": "mask"},
    "skip_ganomaly": _SKIP_GANOMALY,
    "pixel_score": {**_SKIP_GANOMALY, "score_w_pixel": 1.0},
}
