"""The detectors by name. To add one: its file in model/, its line here, its file in search_spaces/."""

from __future__ import annotations

from model.contract import Detector
from model.mean_image import MeanImage
from model.sa_skip_ganomaly import SaSkipGanomaly
from model.skip_ganomaly import SkipGanomaly

MODELS: dict[str, type[Detector]] = {
    "sa_skip_ganomaly": SaSkipGanomaly,
    "skip_ganomaly": SkipGanomaly,
    "mean_image": MeanImage,
}
