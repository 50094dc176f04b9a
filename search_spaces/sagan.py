"""The search space of sagan: that of skip_ganomaly, which has the same losses and scores, so that neither of the two is
searched more widely than the other.
"""

from search_spaces.skip_ganomaly import SPACE

__all__ = ["PRESETS", "SPACE"]

_SAGAN = {"score": "paper", "lr": 2e-4, "w_adv": 1.0, "w_con": 50.0, "w_lat": 1.0, "score_w_pixel": 0.9}

PRESETS: dict[str, dict[str, float | str]] = {
    "sagan": _SAGAN,
    "calibrated": {**_SAGAN, "score": "calibrated"},
    "paper": {**_SAGAN, "w_adv": 0.5, "w_con": 0.3, "w_lat": 0.2},
    "pixel_score": {**_SAGAN, "score_w_pixel": 1.0},
}
