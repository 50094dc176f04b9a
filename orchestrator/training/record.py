"""What a training has come to. It is saved with the detector, and a training that was cut short goes on from both."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import torch

from model.contract import Detector
from orchestrator.training.fit import Epoch, Within
from orchestrator.training.provenance import Clock
from orchestrator.training.saved_state import SavedState


@dataclass
class Record:
    """The sum of a training's epochs, in plain types."""

    batch: int
    epochs: int = 0
    steps: int = 0
    images: int = 0  # passed through the model by this process
    train_s: float = 0.0
    wall_s: float = 0.0  # only in a saved state
    curve: list[float | None] = field(default_factory=list)
    val_scores: list[float] = field(default_factory=list)  # of each epoch of the curve, where they are kept
    losses: dict[str, float] = field(default_factory=dict)
    note: str | None = None

    def add(self, epoch: Epoch) -> None:
        """Counts one more epoch in."""
        self.epochs, self.losses = epoch.number, epoch.losses
        self.steps += epoch.steps
        self.images += epoch.images
        self.train_s += epoch.train_s

    def state(self, detector: Detector, clock: Clock, within: Within | None = None) -> dict[str, Any]:
        """All that another process needs to go on from here: between two epochs, or `within` the next one."""
        return {
            "detector": detector.state_dict(),
            "record": {**dataclasses.asdict(self), "wall_s": clock.wall_s()},
            "within": within and within.state(detector.device),
        }

    def throughput(self) -> dict[str, Any]:
        """What a row says of the work done."""
        return {
            "steps": self.steps,
            "train_s": self.train_s,
            "images_per_s": self.images / self.train_s if self.train_s else None,
            "note": self.note,
        }


@dataclass(frozen=True)
class Resumed:
    """What a training goes on from, beside its record."""

    detector: dict[str, Any] | None = None  # its state; None: from the start
    within: dict[str, Any] | None = None  # the state of an epoch under way


def resume(saved: SavedState | None, device: torch.device, start: Record) -> tuple[Record, Resumed]:
    """The record and the states that a training goes on from; `start` and none where nothing was saved."""
    state = saved.load(device) if saved else None
    return (Record(**state["record"]), Resumed(state["detector"], state["within"])) if state else (start, Resumed())
