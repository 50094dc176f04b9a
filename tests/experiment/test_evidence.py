"""Few pictures: what an AUROC on them may be, and how many more would tell."""

import numpy as np
import pytest
from PIL import Image

from datasets.frame import Frame
from datasets.images import Images, load
from datasets.split import split
from orchestrator.experiment import evidence
from orchestrator.experiment.config import Experiment
from orchestrator.metrics import intervals


@pytest.fixture
def made(tmp_path):
    """Images of a user's folder cups, of so many pictures in each of its folders."""

    def make(**counts: int) -> Images:
        rng = np.random.default_rng(0)
        for folder, count in counts.items():
            for i in range(count):
                path = tmp_path / "cups" / folder.replace("_", "/") / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 255, (4, 4), dtype=np.uint8)).save(path)
        return load("folder", str(tmp_path / "cups"), "cups", Frame(4, 4))

    return make


def test_the_interval_of_few_pictures_and_what_would_narrow_it(made):
    images, holdout = made(good=8, dent=4), Experiment()
    (line,) = evidence.find([images], holdout)
    low, high = intervals.of_counts(0.9, 2, 2)
    assert line == (
        "few pictures in cups: with 2 good and 2 defective ones in its test part, an AUROC of 0.90 has a 95 % interval "
        f"of {low:.2f}-{high:.2f}; 40 more good and 20 more defective pictures would make it as narrow as 0.30"
    )


@pytest.mark.parametrize("protocol", ["holdout", "synthetic", "paper", "crossfit"])
@pytest.mark.parametrize("own_split", [False, True])
def test_with_the_pictures_that_it_asks_for_it_is_content(made, protocol, own_split):
    good, dent = ("test_good", "test_dent") if own_split else ("good", "dent")
    training = {"train_good": 4} if own_split else {}
    asked = Experiment(protocol=protocol)
    (line,) = evidence.find([made(**training, **{good: 8, dent: 4})], asked)
    words = line.split("; ")[1].split()
    more = {word: int(words[i - 2]) for i, word in enumerate(words) if word in ("good", "defective")}
    assert evidence.find([made(**training, **{good: 8 + more["good"], dent: 4 + more["defective"]})], asked) == []


def test_only_the_kind_that_is_short_is_asked_for(made):
    images = made(train_good=4, test_good=80, test_dent=6)
    (line,) = evidence.find([images], Experiment())
    assert "more good" not in line and "more defective pictures" in line
    assert (images.labels[split(images, "holdout", 0).test] == 1).sum() == 3


def test_enough_is_the_least_that_is_narrow_enough():
    defective, normal = evidence.needed(3, 3)
    low, high = intervals.of_counts(evidence.AUROC, defective, normal)
    assert high - low <= evidence.WIDEST
    low, high = intervals.of_counts(evidence.AUROC, defective - 1, normal - 1)
    assert high - low > evidence.WIDEST
    assert evidence.needed(defective, normal) == (defective, normal)


def test_a_category_is_told_of_once_whatever_its_sizes(made):
    images = made(good=8, dent=4)
    assert len(evidence.find([images, images], Experiment())) == 1
