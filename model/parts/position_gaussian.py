"""What is normal at each position: one Gaussian of features there, over the normal images.

As in PaDiM (Defard et al., ICPR 2020, section III.B), with a regularised covariance. Here a distance can also be taken
as if one of the images had not been among them: a normal image then looks in training as a new one will in use.

Letters: N images, F features, h, w positions, P = h * w, M normal images.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

SHRINKAGE, FLOOR = 0.01, 1e-3  # what suits most features
_FARTHEST = 6.0  # whitened deviations are cut off at so many times 3
_LEAST_DEVIATION = 1e-6
_MOST_LEVERAGE = 0.99


class PositionGaussian(nn.Module):
    """A Gaussian of F features at each of h x w positions, standard normal until `fit`. All of it is buffers.

    Features are first divided by their deviation over all images and positions. To each variance at a position are then
    added `shrinkage` times their mean there, and `floor`: without it, the least change of a plain background, which no
    normal image shows, would be as far off as a crack.
    """

    def __init__(self, features: int, grid: tuple[int, int], shrinkage: float, floor: float):
        super().__init__()
        self.shrinkage, self.floor = shrinkage, floor
        self.register_buffer("images", torch.zeros(()))  # M
        self.register_buffer("deviation", torch.ones(features, 1, 1))
        self.register_buffer("mean", torch.zeros(features, *grid))
        self.register_buffer("whitening", torch.eye(features).repeat(grid[0] * grid[1], 1, 1))  # inverse Cholesky

    def is_fitted(self) -> bool:
        """Whether it has seen normal images."""
        return bool(self.images)

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor]) -> None:
        """From the features (N, F, h, w) of all normal images, in float64, whatever the batches. Raises ValueError for
        none at all."""
        moments = _Moments()
        for features in batches:
            moments.add(features)
        self._take(moments)

    def _take(self, moments: "_Moments") -> None:
        deviation, mean, covariance = moments.standardised()
        variances = covariance.diagonal(dim1=1, dim2=2)
        variances += self.shrinkage * variances.mean(dim=1, keepdim=True) + self.floor
        self.images.fill_(moments.count)
        self.deviation.copy_(deviation.view_as(self.deviation))
        self.mean.copy_(mean.T.reshape_as(self.mean))
        self.whitening.copy_(torch.linalg.inv(torch.linalg.cholesky(covariance)))

    def standardise(self, features: Tensor) -> Tensor:
        """(N, F, h, w), each feature in units of its deviation over all normal images and positions."""
        return features / self.deviation

    def whiten(self, features: Tensor, without: Tensor | None = None) -> Tensor:
        """(N, F, h, w): how far from the position's mean, along axes in which the normal images have variance 1; the
        sum of squares over F is Mahalanobis's distance squared.

        `without` (N, F, h, w) are features of N images that `fit` saw: each row is then judged by the Gaussian of the
        others alone. By rank-one downdates: covariance S - u u^T / (M - 1), times M / (M - 1), for a deviation u.
        """
        whitened = self._whiten(features)
        if without is None:
            return whitened
        own, others = self._whiten(without), (self.images - 1).clamp(min=1)
        squared = own.square().sum(dim=1, keepdim=True)
        stretch = (1 - (squared / others).clamp(max=_MOST_LEVERAGE)).rsqrt() - 1
        whitened = whitened + own / others  # the mean moves away from the one left out
        along = (own * whitened).sum(dim=1, keepdim=True) / squared.clamp(min=_LEAST_DEVIATION)
        return (whitened + stretch * along * own) * (others / (others + 1)).sqrt()

    def _whiten(self, features: Tensor) -> Tensor:
        apart = self.standardise(features) - self.mean
        by_position = self.whitening @ apart.flatten(2).permute(2, 1, 0)  # (P, F, N)
        return by_position.permute(2, 1, 0).reshape(features.shape)


def fit_together(gaussians: Sequence[PositionGaussian], batches: Iterable[Sequence[Tensor]]) -> None:
    """Fit each Gaussian on its own features, one of each batch, in one pass that keeps no batch."""
    moments = [_Moments() for _ in gaussians]
    for batch in batches:
        for its_moments, features in zip(moments, batch, strict=True):
            its_moments.add(features)
    for gaussian, its_moments in zip(gaussians, moments, strict=True):
        gaussian._take(its_moments)


class _Moments:
    """Sums and sums of products of features at each position, in float64."""

    def __init__(self):
        self.count, self.total, self.products = 0, 0.0, 0.0

    def add(self, features: Tensor) -> None:
        """Features (N, F, h, w) of some images."""
        values = features.flatten(2).permute(2, 0, 1).double()  # (P, N, F)
        self.count += values.shape[1]
        self.total = self.total + values.sum(dim=1)
        self.products = self.products + values.transpose(1, 2) @ values

    def standardised(self) -> tuple[Tensor, Tensor, Tensor]:
        """Each feature's deviation over all images and positions (F,); in units of it the mean (P, F) and the
        covariance (P, F, F) at each position. Raises ValueError for no image."""
        if not self.count:
            raise ValueError("there is no normal image to fit the Gaussians on: expected at least one")
        mean = self.total / self.count
        second = self.products.diagonal(dim1=1, dim2=2).mean(dim=0) / self.count - mean.mean(dim=0).square()
        deviation = second.clamp(min=0).sqrt().clamp(min=_LEAST_DEVIATION)
        covariance = self.products / self.count - mean[:, :, None] * mean[:, None, :]
        return deviation, mean / deviation, covariance / (deviation[:, None] * deviation)


def distance(whitened: Tensor) -> Tensor:
    """Mahalanobis's distance: (N, F, h, w) -> (N, h, w)."""
    return whitened.square().sum(dim=1).sqrt()


def bounded(whitened: Tensor) -> Tensor:
    """Whitened features as a network takes them: a third of each, within 6."""
    return (whitened / 3).clamp(-_FARTHEST, _FARTHEST)
