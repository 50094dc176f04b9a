"""Hyper-parameters read from a constructor's signature, on a constructor of our own."""

import dataclasses
import enum

import pytest

from model.anomalib_names import ANY_CNN, Adapted
from model.parts.anomalib_hparams import hparams_of


class Size(enum.Enum):
    SMALL, LARGE = "small", "large"


class Toy:
    def __init__(self, backbone="resnet18", layers=("layer1",), pre_trained=True, width=8, size=Size.SMALL,
                 is_soft=False, rate=0.5, ends=(0, 1), dtd_dir="data", visualizer=True, teacher_backbone="vit"):
        """What its hyper-parameters are read from."""


HPARAMS = hparams_of(Toy, Adapted("Toy", ANY_CNN, "8+16"))


def test_numbers_and_words_with_their_defaults_and_what_is_ours():
    assert dataclasses.asdict(HPARAMS()) == {
        "backbone": ANY_CNN[0], "pre_trained": True, "levels": "8+16", "width": 8, "size": "small", "is_soft": False,
        "rate": 0.5, "lr_factor": 1.0,
    }  # fmt: skip


def test_one_backbone_is_no_choice_and_what_is_not_trained_has_no_learning_rate():
    fields = {field.name for field in dataclasses.fields(hparams_of(Toy, Adapted("Toy", is_training_free=True)))}
    assert not fields & {"backbone", "levels", "pre_trained", "lr_factor"}


@pytest.mark.parametrize(("name", "value"), [
    ("backbone", "vgg"), ("size", "huge"), ("is_soft", 1), ("width", 0), ("width", 1.5), ("rate", -1), ("levels", 8),
])  # fmt: skip
def test_a_value_out_of_range_is_refused_in_one_line_with_one_that_works(name, value):
    with pytest.raises(ValueError, match=f"^{name} is .*: expected .*; set it to [^\n]*$"):
        HPARAMS(**{name: value})
