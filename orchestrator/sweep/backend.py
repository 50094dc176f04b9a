"""What a sweep asks of the place where its work runs."""

from collections.abc import Mapping
from typing import Protocol, TextIO

from datasets.images import Images
from orchestrator.estimate.pace import Probed
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Decoding, Sized
from orchestrator.sweep.sweep import Sweep


class Backend(Protocol):
    """A place with slots, for one run."""

    screen: TextIO  # reaches the person, whatever else the backend writes
    slots: int
    refit_start_s: float  # what a refit takes before it trains

    def run(self, sweep: Sweep, images: Mapping[Decoding, Images]) -> None:
        """Runs every trial and refit of the sweep."""

    def probe(self, experiment: Experiment, sized: Sized) -> Probed:
        """Measures a model by a few steps on one slot."""
