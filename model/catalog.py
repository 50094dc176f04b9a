"""The detectors by name. To add one: its file in model/, its line here, its file in search_spaces/."""

from __future__ import annotations

from model.alad import Alad
from model.anogan import AnoGan
from model.contract import Detector
from model.egbad import Egbad
from model.f_anogan import FAnoGan
from model.ganomaly import Ganomaly
from model.mean_image import MeanImage
from model.sa_skip_ganomaly import SaSkipGanomaly
from model.sagan import Sagan
from model.skip_ganomaly import SkipGanomaly

MODELS: dict[str, type[Detector]] = {
    "sa_skip_ganomaly": SaSkipGanomaly,
    "skip_ganomaly": SkipGanomaly,
    "sagan": Sagan,
    "ganomaly": Ganomaly,
    "anogan": AnoGan,
    "f_anogan": FAnoGan,
    "egbad": Egbad,
    "alad": Alad,
    "mean_image": MeanImage,
}
