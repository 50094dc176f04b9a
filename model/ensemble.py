"""Several detectors of one part as one: the weighted mean of their scores, each in units of what normal images vary by.

Detectors that err differently find more together, and of several that validation cannot tell apart nobody has to be
right. Each member's score of an image is first brought to mean 0 and deviation 1 over normal images; maps likewise, by
the same two numbers. Nothing is trained: the members are detectors that have been.

Letters: N images, C channels, H, W pixels, K members.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from model.contract import Detector, TrainingFree
from model.parts.spread import Scale


@dataclass(frozen=True)
class HParams:
    """What an ensemble is made of: for each member its model, hyper-parameters, tile side and weight."""

    members: tuple[dict[str, Any], ...]


class Ensemble(TrainingFree):
    """Detectors of the same images, each with its weight; weights sum to 1."""

    HParams: ClassVar[type] = HParams

    def __init__(self, hparams: HParams, members: Sequence[Detector]):
        """`members` (K,) are built as `hparams` says, in its order. Raises ValueError where their images differ, and
        for weights that are no shares."""
        first = members[0]
        super().__init__(hparams, first.image_shape, first.device)
        if len({member.image_shape for member in members}) > 1:
            raise ValueError("members see images of different shapes: expected one shape; leave some out")
        self.weights = [member["weight"] for member in hparams.members]
        if min(self.weights) <= 0 or abs(sum(self.weights) - 1) > 1e-6:
            raise ValueError(f"weights are {self.weights}: expected numbers above 0 that sum to 1")
        self.members = list(members)
        self.scales = nn.ModuleList(Scale() for _ in members).to(self.device)
        self.optimises_to_score = any(member.optimises_to_score for member in members)

    def calibrate(self, normals: Iterable[Tensor]) -> None:
        """Its members were, when they were trained."""

    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and maps: the weighted means of the members', each in its units."""
        scores, maps = 0, 0
        for member, weight, scale in zip(self.members, self.weights, self.scales, strict=True):
            its_scores, its_maps = member.score(images)
            scores, maps = scores + weight * scale(its_scores), maps + weight * scale(its_maps)
        return scores, maps

    def reconstruct(self, images: Tensor) -> Tensor:
        """What the member of the highest weight takes the images for, the first of equals."""
        return self.members[self.weights.index(max(self.weights))].reconstruct(images)

    def networks(self) -> dict[str, nn.Module]:
        """Those of the members, by their place and name; and the scales."""
        own = {
            f"{place} {name}": network
            for place, member in enumerate(self.members)
            for name, network in member.networks().items()
        }
        return {**own, "scales": self.scales}
