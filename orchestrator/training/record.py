"""What a training has come to. It is saved with the detector, and a training that was cut short goes on from both."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from model.contract import Detector
from orchestrator.training import data_parallel
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

    def state(
        self, detector: Detector, clock: Clock, within: Within | None = None, others: Sequence[dict[str, Any]] = ()
    ) -> dict[str, Any]:
        """All that other processes need to go on from here: between two epochs, or `within` the next one. Of several
        workers, this is rank 0's, with what the `others` have of their own (`worker_state`)."""
        return {
            "detector": detector.state_dict(),
            "record": {**dataclasses.asdict(self), "wall_s": clock.wall_s()},
            "within": within and within.state(detector.device),
            "others": list(others),
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
    buffers: dict[str, dict[str, Tensor]] | None = None  # one of several workers' own


def worker_state(detector: Detector, within: Within) -> dict[str, Any]:
    """What is one worker's own within an epoch, on the CPU."""
    totals = {name: total.cpu() for name, total in within.totals.items()}
    return {"within": {**within.state(detector.device), "totals": totals}, "buffers": data_parallel.buffers(detector)}


def resume(saved: SavedState | None, device: torch.device, start: Record, rank: int = 0) -> tuple[Record, Resumed]:
    """The record and the states that a training goes on from; `start` and none where nothing was saved."""
    state = saved.load(device) if saved else None
    if not state:
        return start, Resumed()
    own = state["others"][rank - 1] if rank and state["within"] else {"within": state["within"]}
    return Record(**state["record"]), Resumed(state["detector"], **own)
