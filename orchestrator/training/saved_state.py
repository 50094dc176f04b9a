"""Where a training that was cut short goes on: its state between two steps, kept in the output while it is under way.

It is saved so often that a crash costs at most `every_s` of training (or one step, where that is longer), but never so
often that saving takes more than MOST_SHARE of the time: a slow storage makes it rarer.
"""

import io
import logging
import time
from collections.abc import Callable
from typing import Any

import torch

from orchestrator.errors import RunError
from orchestrator.results.output import state_file
from orchestrator.results.storage import Storage, reason
from orchestrator.words import printable

MOST_SHARE = 0.02  # of the time, spent in saving
log = logging.getLogger("defectsweep")


class SavedState:
    """The state of one training run. `name` is the run's own; `identity` is what must be equal for it to go on from
    there (plain types)."""

    def __init__(self, storage: Storage, name: str, identity: dict[str, Any], every_s: float):
        self.storage, self.file, self.identity, self.every_s = storage, state_file(name), identity, every_s
        self.saved_at = self.offered_at = time.monotonic()
        self.cost_s = 0.0  # of saving once

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The last state saved; None where there is none, it is torn, or it belongs to another run. Raises RunError
        where the storage cannot be read."""
        try:
            content = self.storage.read(*self.file)
            if content is None:
                return None
            saved = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
            return saved["state"] if saved["identity"] == self.identity else None
        except RunError:
            raise
        except Exception as error:  # torn, foreign or hostile: it is worth no more than none
            reason = printable(str(error).partition("\n")[0])
            log.warning("%s cannot be used, training starts over: %s", self.file[-1], reason)
            return None

    def offer(self, state: Callable[[], dict[str, Any]]) -> None:
        """After each step, and each epoch: saves `state()` if it is due."""
        if self.is_due():
            self.save(state)

    def is_due(self) -> bool:
        """Whether to save now: the next chance, as much later as this one is than the last, would come too late."""
        now = time.monotonic()
        since_s, gap_s = now - self.saved_at, now - self.offered_at
        self.offered_at = now
        return since_s + gap_s > self.every_s and since_s * MOST_SHARE >= self.cost_s

    def save(self, state: Callable[[], dict[str, Any]]) -> None:
        """Keeps `state()`, of tensors and plain types. A storage that cannot take it costs the safety, no more."""
        start = time.monotonic()
        buffer = io.BytesIO()
        torch.save({"identity": self.identity, "state": state()}, buffer)
        try:
            self.storage.write(buffer.getvalue(), *self.file)
        except RunError as error:
            log.warning("%s was not saved (%s)", self.file[-1], reason(error.__cause__ or error))
        self.saved_at = self.offered_at = time.monotonic()
        self.cost_s = self.saved_at - start

    def clear(self) -> None:
        """The run is over."""
        self.storage.delete(*self.file)
