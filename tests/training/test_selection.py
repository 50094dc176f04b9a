"""What a trial may see of a category, and that it is brought to the device once."""

import dataclasses

import numpy as np
import torch

from orchestrator.training.selection import MOST_KEPT, Selections, data_facts, select

CPU = torch.device("cpu")


def test_under_synthetic_the_anomalies_that_choose_are_forged_from_held_out_normals(fabric):
    data = select(fabric, "synthetic", 0, CPU)
    held_out = len(data.split.forge)
    assert data.val_labels.tolist() == [0] * held_out + [1] * held_out
    normal, forged = data.val[:held_out], data.val[held_out:]
    changed = (normal != forged).flatten(1).any(1)
    assert changed.all()
    assert not set(data.split.forge) & set(data.split.train)


def test_on_cpu_the_images_are_shared_and_not_copied(fabric):
    data = select(fabric, "holdout", 0, CPU)
    assert np.shares_memory(data.pixels.numpy(), fabric.pixels)


def test_the_next_trial_of_a_job_takes_what_the_one_before_had(fabric, make_job):
    selections, job = Selections(CPU), make_job("fabric", size_px=32)
    first = selections.of(job, fabric)
    arrived_again = dataclasses.replace(fabric, pixels=fabric.pixels.copy())  # as from an object store
    assert selections.of(job, arrived_again) is first


def test_other_seeds_and_other_images_are_selected_anew(fabric, make_job):
    selections, job = Selections(CPU), make_job("fabric", size_px=32)
    first = selections.of(job, fabric)
    assert selections.of(dataclasses.replace(job, seed=1), fabric).split.hash != first.split.hash
    assert selections.of(job, dataclasses.replace(fabric, data_hash="other")) is not first


def test_another_number_of_folds_divides_anew(fabric, make_job):
    selections = Selections(CPU)
    jobs = [make_job("fabric", size_px=32, protocol="crossfit", folds=folds) for folds in (5, 3)]
    assert [len(set(selections.of(job, fabric).split.fold)) for job in jobs] == [5, 3]


def test_the_same_pictures_by_another_fit_are_selected_anew(fabric, make_job):
    """In one process, a letterbox run and then a stretch run."""
    frame = dataclasses.replace(fabric.frame, stretches=True)
    selections, stretched = Selections(CPU), dataclasses.replace(fabric, frame=frame, pixels=255 - fabric.pixels)
    selections.of(make_job("fabric", size_px=32), fabric)
    found = selections.of(make_job("fabric", size_px=32, fit="stretch"), stretched)
    assert np.array_equal(found.pixels.numpy(), stretched.pixels)


def test_only_the_last_ones_stay_on_the_device(fabric, make_job):
    selections, job = Selections(CPU), make_job("fabric", size_px=32)
    first, *_, last = [selections.of(dataclasses.replace(job, seed=seed), fabric) for seed in range(MOST_KEPT + 1)]
    assert selections.of(dataclasses.replace(job, seed=MOST_KEPT), fabric) is last
    assert selections.of(job, fabric) is not first


def test_a_row_says_which_images_were_used_and_how_many(fabric):
    data = select(fabric, "holdout", 0, CPU)
    facts = data_facts(fabric, data)
    assert (facts["train_images"], facts["val_images"]) == (len(data.split.train), len(data.split.val))
    assert (facts["data_hash"], facts["split_hash"]) == (fabric.data_hash, data.split.hash)
    assert (facts["selection_split"], facts["unreadable_images"]) == ("val", 0)
