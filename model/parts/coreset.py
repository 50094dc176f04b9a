"""The few patches that stand for all: k-centre greedy selection.

Each next patch is the one that lies farthest from those chosen (Gonzalez 1985; for memory banks Roth et al., CVPR 2022,
algorithm 1), measured in a random projection (Johnson and Lindenstrauss), which keeps distances within a few per cent.

Letters: P patches, F features, K chosen.
"""

import torch
from torch import Tensor

PROJECTED = 128  # dimensions; of fewer features all are kept


def greedy_coreset(patches: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Indices (K,) of K = min(count, P) of the patches (P, F); `generator` is on the CPU."""
    count = min(count, len(patches))
    points = project(patches, generator)
    norms = points.square().sum(dim=1)
    nearest = torch.full_like(norms, torch.inf)
    chosen = torch.empty(count, dtype=torch.long, device=points.device)
    latest = torch.randint(len(points), (1,), generator=generator).to(points.device)
    for place in range(count):
        chosen[place] = latest
        point = points[latest[0]]
        squared = torch.addmv(norms, points, point, alpha=-2).add_(point.square().sum())
        nearest = torch.minimum(nearest, squared, out=nearest)
        latest = nearest.argmax(keepdim=True)
    return chosen


def project(patches: Tensor, generator: torch.Generator) -> Tensor:
    """(P, F) -> (P, min(F, 128)) by a random matrix."""
    features = patches.shape[1]
    if features <= PROJECTED:
        return patches
    matrix = torch.randn(features, PROJECTED, generator=generator) / PROJECTED**0.5
    return patches @ matrix.to(patches)
