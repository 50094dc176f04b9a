"""The plain nouns of a dataset: one labelled picture, one split, and a user's mistake in the data."""

from dataclasses import dataclass

import numpy as np


class DataError(Exception):
    """A user's mistake in the data, as one line: what was found, what was expected, the cure."""


@dataclass(frozen=True)
class Sample:
    """One picture of a dataset, as its files tell it; nothing is decoded."""

    path: str  # relative to the data root, "/" separators
    label: int  # 0 normal, 1 defective
    defect: str  # "good" or the defect's name
    part: str | None  # "train", "validation" or "test" as the dataset itself says; None: it has no split of its own
    group: str  # samples of one group (an item) stay on one side of every split; default: the path itself
    masks: tuple[str, ...]  # relative paths of the mask pictures, set where any is; () if normal, or if none is known
    size_bytes: int


@dataclass(frozen=True)
class Split:
    """Index arrays (int64, ascending) into one category's images; train, forge and val hold what the model may see."""

    protocol: str  # "holdout", "synthetic", "paper" or "crossfit"
    train: np.ndarray  # (N,) normals only
    val: np.ndarray  # (N,) what chooses; under `synthetic` normals, to which forged anomalies are added
    test: np.ndarray  # (N,) labelled, looked at once
    forge: np.ndarray  # (N,) normals from which validation anomalies are made; empty except under `synthetic`
    unused: np.ndarray  # (N,) in no part: copies of images that choose or test, defects of training items
    fold: np.ndarray  # (N,) of each image of val, counted from 0; empty except under `crossfit`
    selection_split: str  # "val", "synthetic", "test" or "other folds": what chooses
    hash: str  # over the content hashes of each part; the same on every machine
