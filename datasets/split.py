"""Protocols: who trains, what chooses, what is looked at once. Pure and seeded; the same on every machine.

samples -> clusters (what must stay on one side) -> order by a seeded hash of content -> deal to the parts.

A cluster is all that is tied by a group (an item of several pictures) or by equal pixels, whatever the files are
called, transitively. Neither names, nor the order of files, nor a random generator decide anything: the order is
sha256(seed, content). No cluster ever has samples in train and in val or test.

| protocol  | train                  | val                                           | test                     |
|-----------|------------------------|-----------------------------------------------|--------------------------|
| holdout   | normal training images | half of the labelled test images              | the other half           |
| synthetic | four fifths of them    | the other fifth, and anomalies forged from it | all labelled test images |
| paper     | normal training images | all labelled test images                      | the same ones            |
| crossfit  | normal training images | all labelled test images but one fold's       | that fold's, each time   |

A dataset without a split of its own has its clusters with normals dealt train/val/test 2:1:1 first, half of them with
and half without defects as far as there are both, and its purely defective ones val/test 1:1. The normals of the train
clusters are its normal training images, and val + test together its labelled test images, under all protocols.

Where a dataset brings validation images of its own, they choose and never train: they come to val, beside what the
table says; under `synthetic` its normal ones take the place of the fifth, and all normal training images train; under
`crossfit`, where what chooses is also judged, they are left out.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from datasets.images import Images
from datasets.sample import DataError, Sample, Split

SELECTION_SPLITS = {"holdout": "val", "synthetic": "synthetic", "paper": "test", "crossfit": "other folds"}
PROTOCOLS = tuple(SELECTION_SPLITS)
_KINDS = ("normal", "defective")  # by label
_HELD_OUT_SHARE = 5  # one in five normal training images, under `synthetic`

FOLDS = 5  # under `crossfit`, as long as no other number is asked for
_LEAST_DEALT = 4  # normal images without a split of their own: each part gets one, and training two

Cluster = tuple[int, ...]  # ascending indices into the images


def split(images: Images, protocol: str, seed: int, folds: int = FOLDS) -> Split:
    """Divides one category under a protocol; `folds` counts under `crossfit` alone. Raises DataError for an unknown
    protocol, and for too few normal or defective images for one of its parts or for so many folds."""
    if protocol not in SELECTION_SPLITS:
        raise DataError(f"no protocol {protocol!r}; there are: {', '.join(PROTOCOLS)}; check --protocol")
    clusters = sorted(_clusters(images), key=lambda cluster: _order_key(images, cluster, seed))
    train, val, test = (_deal_own_split if _has_own_split(images) else _deal_all)(images, clusters)
    brought = _own_validation(images, clusters)

    forge: list[int] = []
    if protocol == "synthetic":
        forge = [i for i in brought if images.samples[i].label == 0]
        if not forge:
            train_only = set(train)
            train_clusters = [kept for cluster in clusters if (kept := tuple(i for i in cluster if i in train_only))]
            train, forge = _hold_out(train_clusters)
        val, test = forge, val + test
    elif protocol == "crossfit":
        val = test = val + test
    elif protocol == "paper":
        test = val + test
        val = test + brought
    else:
        val = val + brought
    _require_enough(images, protocol, train, val, test)

    used = {*train, *val, *test}
    parts = {
        "train": _index(train),
        "val": _index(val),
        "test": _index(test),
        "forge": _index(forge),
        "unused": _index(set(range(len(images.samples))) - used),
    }
    fold = _folds(images, clusters, parts["val"], folds) if protocol == "crossfit" else _index(())
    return Split(
        protocol=protocol,
        selection_split=SELECTION_SPLITS[protocol],
        fold=fold,
        hash=_split_hash(images, protocol, parts, fold),
        **parts,
    )


def pictures_per_test_image(images: Images, protocol: str) -> tuple[int, int]:
    """How many (normal, defective) pictures to add for one more of each in the test part, as the table says."""
    of_labelled = 2 if protocol == "holdout" else 1  # of which the others choose
    return of_labelled if _has_own_split(images) else 2 * of_labelled, of_labelled


def labelled_groups(samples: Sequence[Sample], label: int) -> int:
    """How many groups of a label are there to choose by and to test on, before copies are known."""
    groups = {sample.group for sample in samples if sample.label == label and sample.part in (None, "test")}
    if any(sample.part is not None for sample in samples):
        return len(groups)
    with_normals = {sample.group for sample in samples if sample.label == 0}  # of which half go to train
    return len(groups - with_normals) + len(groups & with_normals) // 2


def _has_own_split(images: Images) -> bool:
    return any(sample.part is not None for sample in images.samples)


def _clusters(images: Images) -> list[Cluster]:
    """Union-find over the samples' groups and pixel hashes."""
    parent: dict[object, object] = {}

    def find(node: object) -> object:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    nodes = [
        (("group", sample.group), ("pixels", pixel_hash))
        for sample, pixel_hash in zip(images.samples, images.pixel_hash, strict=True)
    ]
    for group, pixels in nodes:
        parent[find(group)] = find(pixels)
    members: dict[object, list[int]] = {}
    for index, (group, _) in enumerate(nodes):
        members.setdefault(find(group), []).append(index)
    return [tuple(indices) for indices in members.values()]


def _order_key(images: Images, cluster: Cluster, seed: int) -> str:
    content = "\n".join(sorted(images.content[i] for i in cluster))
    return hashlib.sha256(f"{seed}\n{content}".encode()).hexdigest()


def _deal_own_split(images: Images, clusters: Sequence[Cluster]) -> tuple[list[int], list[int], list[int]]:
    """Train as the dataset says, less copies of its test and validation images; its test part halved, each kind of
    defect by itself."""
    labelled = [of_test for cluster in clusters if (of_test := _of_part(images, cluster, "test"))]
    train_only = [cluster for cluster in clusters if len(_of_part(images, cluster, "train")) == len(cluster)]
    train = [i for cluster in train_only for i in cluster if images.samples[i].label == 0]
    normal = [cluster for cluster in labelled if not _has_label(images, cluster, 1)]
    defective = [cluster for cluster in labelled if _has_label(images, cluster, 1)]
    test, val = _deal(normal, [""] * len(normal), shares=(1, 1))
    more_test, more_val = _deal(defective, [_defects(images, cluster) for cluster in defective], shares=(1, 1))
    return train, val + more_val, test + more_test


def _own_validation(images: Images, clusters: Sequence[Cluster]) -> list[int]:
    """The validation images that the dataset brings, less copies of its test images."""
    untested = [cluster for cluster in clusters if not _of_part(images, cluster, "test")]
    return [i for cluster in untested for i in _of_part(images, cluster, "validation")]


def _of_part(images: Images, cluster: Cluster, part: str) -> Cluster:
    return tuple(i for i in cluster if images.samples[i].part == part)


def _deal_all(images: Images, clusters: Sequence[Cluster]) -> tuple[list[int], list[int], list[int]]:
    """No split of its own: clusters with normals to train, test and val; purely defective ones to test and val."""
    with_normals = [cluster for cluster in clusters if _has_label(images, cluster, 0)]
    defective = [cluster for cluster in clusters if not _has_label(images, cluster, 0)]
    has_defects = [str(_has_label(images, cluster, 1)) for cluster in with_normals]
    train, test, val = _deal(with_normals, has_defects, shares=(2, 1, 1))
    more_test, more_val = _deal(defective, [_defects(images, cluster) for cluster in defective], shares=(1, 1))
    return [i for i in train if images.samples[i].label == 0], val + more_val, test + more_test


def _folds(images: Images, clusters: Sequence[Cluster], labelled: np.ndarray, folds: int) -> np.ndarray:
    """(V,) the fold of each labelled image, clusters whole and each kind of defect spread. FOLDS are fewer where there
    are fewer clusters; another number of folds was asked for. Raises DataError where one of those is empty, and where
    all good or all defective images are in one."""
    kept = [tuple(sorted(set(cluster) & set(labelled.tolist()))) for cluster in clusters]
    normal = [cluster for cluster in kept if cluster and not _has_label(images, cluster, 1)]
    defective = [cluster for cluster in kept if _has_label(images, cluster, 1)]
    shares = (1,) * folds
    dealt = zip(
        _deal(normal, [""] * len(normal), shares),
        _deal(defective, [_defects(images, cluster) for cluster in defective], shares),
        strict=True,
    )
    fold_of = {i: fold for fold, parts in enumerate(dealt) for part in parts for i in part}
    fold = np.array([fold_of[i] for i in labelled.tolist()], dtype=np.int64)
    filled = len(set(fold.tolist()))
    if filled < folds != FOLDS:
        raise DataError(
            f"{images.dataset}/{images.category} has {len(normal)} normal and {len(defective)} defective groups of "
            f"labelled images, copies together; they fill {filled} folds, and --folds {folds} is asked for; lower it, "
            "or add labelled images"
        )
    labels = images.labels[labelled]
    for label in (0, 1):
        if len(set(fold[labels == label].tolist())) < 2:
            found = int((labels == label).sum())
            raise DataError(
                f"{images.dataset}/{images.category} has {found} {_KINDS[label]} labelled images in one fold; protocol "
                f"crossfit expects them in two or more; {_cure(images, 'crossfit', 'test', label)}"
            )
    return fold


def _has_label(images: Images, cluster: Cluster, label: int) -> bool:
    return any(images.samples[i].label == label for i in cluster)


def _defects(images: Images, cluster: Cluster) -> str:
    return "+".join(sorted({images.samples[i].defect for i in cluster}))


def _deal(clusters: Sequence[Cluster], strata: Sequence[str], shares: tuple[int, ...]) -> list[list[int]]:
    """Gives each cluster to the part that lacks most: within its stratum first, over all strata where that is equal.

    The second rule carries what a stratum could not divide on to the next, so that many strata of one image each do
    not all fall on one side; where it is equal too, the first part gets it.
    """
    parts: list[list[int]] = [[] for _ in shares]
    total = [0] * len(shares)
    for stratum in sorted(set(strata)):
        dealt = [0] * len(shares)
        for cluster in (cluster for cluster, its in zip(clusters, strata, strict=True) if its == stratum):
            lacks = list(zip(_lacks(dealt, len(cluster), shares), _lacks(total, len(cluster), shares), strict=True))
            chosen = lacks.index(max(lacks))
            parts[chosen] += cluster
            dealt[chosen] += len(cluster)
            total[chosen] += len(cluster)
    return parts


def _lacks(counts: Sequence[int], coming: int, shares: tuple[int, ...]) -> list[int]:
    """What each part lacks of its share once `coming` more images are there, in units of 1/sum(shares) image."""
    goal = sum(counts) + coming
    return [share * goal - sum(shares) * count for share, count in zip(shares, counts, strict=True)]


def _hold_out(clusters: Sequence[Cluster]) -> tuple[list[int], list[int]]:
    """(train, held out): clusters are held out, in their seeded order, until a fifth of the images is, at least one."""
    goal = sum(map(len, clusters)) / _HELD_OUT_SHARE
    train: list[int] = []
    held_out: list[int] = []
    for cluster in clusters:
        part = train if held_out and len(held_out) + len(cluster) / 2 > goal else held_out
        part += cluster
    return train, held_out


def _require_enough(images: Images, protocol: str, train: list[int], val: list[int], test: list[int]) -> None:
    needs = [("train", train, 0), ("validation", val, 0), ("validation", val, 1), ("test", test, 0), ("test", test, 1)]
    for name, part, label in needs:
        forged = protocol == "synthetic" and name == "validation" and label == 1
        if forged or any(images.samples[i].label == label for i in part):
            continue
        defects = int(images.labels.sum())
        raise DataError(
            f"{images.dataset}/{images.category} has {len(images.samples) - defects} normal and {defects} defective "
            f"images; the {name} part of protocol {protocol} got no {_KINDS[label]} one, expected at least 1; "
            f"{_cure(images, protocol, name, label)}"
        )


def _cure(images: Images, protocol: str, part: str, label: int) -> str:
    """Which images to add, where, and up to how many; copies of one another count as one."""
    from_train = part == "train" or (protocol == "synthetic" and part == "validation")
    folder = f"{'train' if from_train else 'test'}/{'<defect>' if label else 'good'}"
    if from_train:
        least = 2 if protocol == "synthetic" else 1
    else:
        least = 2 if protocol in ("holdout", "crossfit") else 1
    if not _has_own_split(images):
        folder, least = "<defect>" if label else "good", least if label else _LEAST_DEALT
    cure = f"add {_KINDS[label]} images in {folder}, until there are {least} or more that are no copies"
    if label == 1 and protocol != "synthetic":
        cure += " (--protocol synthetic chooses without labelled defects and needs a single one, to be measured on)"
    return cure


def _index(indices: Iterable[int]) -> np.ndarray:
    return np.array(sorted(indices), dtype=np.int64)


def _split_hash(images: Images, protocol: str, parts: dict[str, np.ndarray], fold: np.ndarray) -> str:
    digest = hashlib.sha256(protocol.encode())
    for name in ("train", "val", "test", "forge"):
        content = "\n".join(sorted(images.content[i] for i in parts[name]))
        digest.update(f"\n{name}\n{content}".encode())
    if len(fold):
        dealt = sorted(f"{images.content[i]} {k}" for i, k in zip(parts["val"].tolist(), fold.tolist(), strict=True))
        digest.update("\n".join(["\nfolds", *dealt]).encode())
    return digest.hexdigest()
