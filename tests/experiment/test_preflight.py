"""Before anything runs: what tells one state of the data from another, so that changed data are other jobs."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.catalog import DATASETS
from datasets.frame import Frame
from orchestrator.errors import InputError
from orchestrator.experiment import preflight
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import Category, Decoding, jobs
from orchestrator.hashes import digest


def picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def part(tmp_path) -> Path:
    """A category of a user's folder, with pictures that a camera left without compression."""
    for i in range(4):
        picture(tmp_path / "part" / "good" / f"{i}.bmp", i)
    picture(tmp_path / "part" / "dent" / "0.png", 9)
    return tmp_path / "part"


def surveyed(part: Path, **options) -> Category:
    (category,) = preflight.survey(Experiment(dataset=("folder",), **options), str(part.parent))
    return category


def fingerprint(part: Path) -> str:
    return surveyed(part).fingerprint


def test_another_folder_of_good_images_is_other_data_and_what_is_decoded_later_is_read_alike(part):
    shutil.copytree(part / "good", part / "gut")
    experiment = Experiment(dataset=("folder",), normal_folder="GUT", protocol="synthetic")
    category = surveyed(part, normal_folder="GUT")
    assert category.fingerprint != fingerprint(part)
    for seed, file in enumerate(sorted((part / "gut").iterdir())):
        picture(file, 20 + seed)
    asked = preflight.survey(experiment, str(part.parent))[0]
    (images,) = preflight.decode([Decoding(asked, Frame(8, 8))], experiment, Execution()).values()
    assert {sample.path.split("/")[1] for sample in images.samples if not sample.label} == {"gut"}


def test_a_folder_that_is_named_is_part_of_the_identity_where_it_is_named_alone(part):
    plain, named = ({"model": ("mean_image",)}, {"model": ("mean_image",), "normal_folder": "good"})
    told = [jobs(Experiment(dataset=("folder",), **options), [surveyed(part)], 1)[0] for options in (plain, named)]
    assert ["normal_folder" in json.loads(job.choices) for job in told] == [False, True]
    assert told[0].id != told[1].id


def test_a_copy_of_the_data_is_the_same_data(part, tmp_path_factory):
    copy = shutil.copytree(part, tmp_path_factory.mktemp("copy") / "part")
    assert fingerprint(part) == fingerprint(copy)


def test_another_picture_of_as_many_bytes_and_the_same_name_is_other_data(part):
    before, file = fingerprint(part), part / "good" / "0.bmp"
    size = file.stat().st_size
    assert picture(file, 100).stat().st_size == size and fingerprint(part) != before


def test_masks_that_are_added_are_other_data(part):
    before = fingerprint(part)
    picture(part / "ground_truth" / "dent" / "0_mask.png", 0)
    assert fingerprint(part) != before


def test_images_that_do_not_fit_memory_are_refused_with_the_size_that_would(part, monkeypatch):
    monkeypatch.setattr(preflight, "memory_bytes", lambda: 5 * 64 * 64 * 3)
    folder, category = Experiment(dataset=("folder",), size_px=(96,), protocol="synthetic"), surveyed(part)

    def decode(experiment: Experiment) -> dict:
        (job,) = jobs(dataclasses.replace(experiment, model=("mean_image",)), [category], 1)
        return preflight.decode([job.decoding], experiment, Execution())

    with pytest.raises(InputError, match="5 images at --size-px 96 take 0.000138 GB .* --size-px 64 would"):
        decode(folder)
    assert decode(dataclasses.replace(folder, size_px=(64,)))


def test_categories_that_cannot_be_scanned_are_all_named_and_left_out_only_when_told_to(part):
    for name in ("cups", "lids"):
        picture(part.parent / name / "good" / "0.png", 0)
        (part.parent / name / "empty").mkdir()
    folder = Experiment(dataset=("folder",))
    with pytest.raises(InputError, match="cups/empty holds no image; .* So it is with lids. --skip-categories leaves"):
        preflight.survey(folder, str(part.parent))
    said = {}
    assert [category.name for category in preflight.survey(folder, str(part.parent), said.__setitem__)] == ["part"]
    assert list(said) == ["cups", "lids"] and "cups/empty holds no image" in str(said["cups"])
    shutil.rmtree(part)
    with pytest.raises(InputError, match="holds no image"):
        preflight.survey(folder, str(part.parent), said.__setitem__)


def test_one_mask_or_none_has_the_fingerprint_that_it_always_had(part):
    """Earlier outputs go on: a picture's single mask, or None, stands where it stood."""
    before = fingerprint(part)
    samples = DATASETS["folder"].scan(str(part.parent), "part")
    content = [preflight._content(part.parent, sample) for sample in samples]
    described = [(s.path, s.label, s.part, s.group, None, c) for s, c in zip(samples, content, strict=True)]
    assert before == digest(described)
