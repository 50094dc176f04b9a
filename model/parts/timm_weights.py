"""The pretrained networks that anomalib asks timm and torchvision for, without the network between: weights from this
package's wheel or torch's own cache, whose sha256 is checked, or none.

`tf_efficientnet_lite0` has the weights of our own backbone efficientnet_lite0 (model/parts/backbones.py): both networks
list the same tensors in the same order under other names. ResNets have torchvision's first weights (IMAGENET1K_V1)
whoever asks, so that all detectors here see the same features.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from unittest import mock

import torch
from torch import Tensor, nn

from model.parts.backbones import BACKBONES
from model.parts.weights import Weights

TIMM = {"efficientnet_lite0": "tf_efficientnet_lite0"}  # our name -> timm's, where they differ
OURS = {timms: ours for ours, timms in TIMM.items()}
LEVELS = {  # our name -> stride -> timm's name of the level there
    "efficientnet_lite0": {2: "blocks.0", 4: "blocks.1", 8: "blocks.2", 16: "blocks.4", 32: "blocks.6"},
    **dict.fromkeys(("resnet18", "wide_resnet50_2"), {4: "layer1", 8: "layer2", 16: "layer3", 32: "layer4"}),
}
_B5 = "efficientnet_b5_lukemelas-1a07897c.pth"
PUBLISHED = {name: BACKBONES[name].weights for name in LEVELS} | {
    "efficientnet_b5": Weights(_B5, "1a07897c", "BSD-3-Clause, from ImageNet",
                               url=f"https://download.pytorch.org/models/{_B5}"),
}  # fmt: skip


def weights_of(name: str) -> dict[str, Tensor]:
    """The published weights of a backbone of timm or torchvision, by the names of its own file. Raises ValueError of
    one line, with a cure, where they are not to be had."""
    ours = OURS.get(name, name)
    if ours not in PUBLISHED:
        raise ValueError(f"backbone {name!r} has no weights here: expected {' or '.join(PUBLISHED)}; set "
                         "pre_trained=false to take it as it is drawn")
    path = PUBLISHED[ours].here(f"backbone {ours}", "pre_trained=false")
    return torch.load(path, map_location="cpu", weights_only=True)


@contextlib.contextmanager
def offline(pre_trained: bool) -> Iterator[None]:
    """While it lasts, what timm and torchvision build as pretrained gets its weights from here, or, unless
    `pre_trained`, stays as it was drawn."""
    import timm
    import torchvision
    from anomalib.models.image.csflow import torch_model as csflow

    with contextlib.ExitStack() as patches:
        made = functools.partial(_from_timm, timm.create_model, pre_trained)
        patches.enter_context(mock.patch.object(timm, "create_model", made))
        for module, name in ((torchvision.models, "resnet18"), (torchvision.models, "wide_resnet50_2"),
                             (csflow, "efficientnet_b5")):
            made = functools.partial(_from_torchvision, getattr(module, name), name, pre_trained)
            patches.enter_context(mock.patch.object(module, name, made))
        yield


def _from_timm(create: Callable[..., nn.Module], pre_trained: bool, model_name: str, pretrained: bool = False,
               **options) -> nn.Module:
    """timm.create_model."""
    network = create(model_name, pretrained=False, **options)
    if pretrained and pre_trained:
        state = weights_of(model_name)
        if model_name in OURS:
            whole = network if not options.get("features_only") else create(model_name, pretrained=False)
            state = dict(zip(whole.state_dict(), state.values(), strict=True))
        _load(network, state)
    return network


def _from_torchvision(create: Callable[..., nn.Module], name: str, pre_trained: bool, weights: object = None,
                      **options) -> nn.Module:
    """A builder of torchvision.models."""
    network = create(weights=None, **options)
    if weights is not None and pre_trained:
        _load(network, weights_of(name))
    return network


def _load(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """All that the network has; what it lacks of the file, such as the classifier, is left out."""
    network.load_state_dict({name: state[name] for name in network.state_dict()})
