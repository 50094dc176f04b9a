"""The hyper-parameters of one of anomalib's models, read from the signature of its constructor: the numbers and words
that it takes with a default, and those that are ours beside them, in a frozen dataclass that checks itself.

- `backbone`, by its name in model/parts/backbones.py; `levels`, the strides that are looked at, for anomalib's names of
  layers, which are each backbone's own.
- `pre_trained`: False is the backbone as it was drawn, the honest control.
- `lr_factor` multiplies the learning rates of models whose constructor has none.
"""

import dataclasses
import enum
import inspect
from collections.abc import Mapping
from typing import Any

from model.anomalib_names import ANY_CNN, Adapted
from model.contract import check_choice, check_number, check_whole

PARTS = ("pre_processor", "post_processor", "evaluator", "visualizer")  # of a LightningModule
_OF_FILES = ("dtd_dir", "imagenet_dir", "anomaly_source_path", "few_shot_source")
_OF_THE_RUN = ("batch_size", "input_shape", "input_dim", "layers", "layer", "precision", "backbone", "pre_trained")
_CHOICES = {"score_type": ("fre", "nll"), "decoder": ("freia-cflow",)}  # of words that are no enumeration there
_DEFAULTS = {("Padim", "n_features"): 100}  # there it depends on the backbone; as in our own


def arguments(kind: type) -> Mapping[str, inspect.Parameter]:
    """What the constructor of a class takes."""
    return inspect.signature(kind.__init__).parameters


def hparams_of(kind: type, adapted: Adapted) -> type:
    """The dataclass for a LightningModule `kind`; its own raises ValueError, of one line, for a value out of range."""
    ours, ours_choices = _ours(adapted)
    theirs, their_choices = _theirs(kind)
    fields, choices = ours | theirs, ours_choices | their_choices
    if not adapted.is_training_free and not {"lr", "learning_rate"} & fields.keys():
        fields["lr_factor"] = 1.0

    def check(self: Any) -> None:
        for name, default in fields.items():
            _check(name, getattr(self, name), default, choices.get(name))

    made = [(name, type(default), dataclasses.field(default=default)) for name, default in fields.items()]
    return dataclasses.make_dataclass(f"{kind.__name__}HParams", made, frozen=True, namespace={"__post_init__": check})


def _ours(adapted: Adapted) -> tuple[dict[str, Any], dict[str, tuple[Any, ...]]]:
    """Name -> default, and name -> choices, of what stands for the constructor's backbone and layers."""
    fields: dict[str, Any] = {}
    if set(adapted.backbones) & set(ANY_CNN):
        fields["backbone"] = adapted.backbones[0]
    if adapted.backbones:
        fields["pre_trained"] = True
    if adapted.strides:
        fields["levels"] = adapted.strides
    return fields, {"backbone": adapted.backbones}


def _theirs(kind: type) -> tuple[dict[str, Any], dict[str, tuple[Any, ...]]]:
    """Name -> default, and name -> choices, of the constructor's numbers and words."""
    fields, choices = {}, dict(_CHOICES)
    for name, argument in arguments(kind).items():
        if name in (*PARTS, *_OF_FILES, *_OF_THE_RUN) or name.endswith("_backbone"):
            continue
        default = _DEFAULTS.get((kind.__name__, name), argument.default)
        if isinstance(default, enum.Enum):
            choices[name] = tuple(choice.value for choice in type(default))
            default = default.value
        if isinstance(default, bool | int | float | str):
            fields[name] = default
    return fields, choices


def _check(name: str, value: Any, default: Any, choices: tuple[Any, ...] | None) -> None:
    if choices or isinstance(default, bool):
        check_choice(name, value, choices or (default, not default))
    elif isinstance(default, int):
        check_whole(name, value, least=min(default, 1), example=default)
    elif isinstance(default, float):
        check_number(name, value, least=0, example=default)
    elif not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}: expected a word; set it to {default!r}, the default")
