"""Settings in words: what one of them chose that others did not, and never a hash where there is anything better."""

import pandas as pd

from orchestrator.ranking.choices import words


def told(*jobs, **columns) -> list[str]:
    """Of rows that these jobs leave, in their order; columns are lists."""
    blank = {"warm_start": None, "started_at": None}
    rows = [
        {**blank, "choices": job.choices, "settings": job.settings, "protocol": job.experiment.protocol,
         "size_px": job.size_px, **{name: values[i] for name, values in columns.items()}}
        for i, job in enumerate(jobs)
    ]  # fmt: skip
    found = words(pd.DataFrame(rows))
    return [found[row["settings"]] for row in rows]


def test_only_what_differs_is_said(make_job):
    assert told(make_job()) == [""]
    assert told(make_job(), make_job(epochs=9)) == ["20 epochs", "9 epochs"]
    assert told(make_job(batch=4, epochs=9), make_job()) == ["9 epochs, batch 4", "20 epochs, batch 16"]


def test_sizes_and_protocols_have_columns_of_their_own(make_job):
    assert told(make_job(), make_job(size_px=128), make_job(protocol="paper")) == ["", "", ""]


def test_folds_are_told_apart_where_there_are_any(make_job):
    five, ten = (make_job(protocol="crossfit", folds=folds) for folds in (5, 10))
    assert told(five, ten, make_job()) == ["5 folds", "10 folds", ""]
    assert told(ten, make_job()) == told(five, make_job()) == ["", ""], "the protocol has a column of its own"


def test_what_is_fixed_in_one_is_searched_in_the_other(make_job):
    assert told(make_job(set=("lr=0.001",)), make_job()) == ["lr fixed to 0.001", "lr searched"]


def test_every_choice_has_its_words(make_job):
    other = make_job(
        fit="stretch", steps_per_epoch=50, sampler="tpe", scheduler="none", parallel_trials=3, compile=True,
        threshold="f1", workers=2,
    )  # fmt: skip
    assert told(other, make_job())[0] == (
        "refit on 2, 3 trials at a time, stretch, sampler tpe, no early stopping, best F1, 50 steps an epoch, compiled"
    )


def test_a_warm_start_is_told_from_a_cold_one(make_job):
    cold, warm = make_job(), make_job(epochs=20, warm_start="earlier")
    rows = told(cold, warm, warm_start=[None, "earlier"], settings=["c", "w"])
    assert rows == ["cold start", "warm start from earlier"]


def test_beside_rows_that_do_not_tell_their_choices_there_is_nothing_to_compare(make_job):
    times = ["2026-11-24T10:02:00.000+00:00", "2026-11-25T11:00:00.000+00:00"]
    new = make_job(batch=4)
    assert told(make_job(), new, choices=[None, new.choices], started_at=times) == [
        "begun 2026-11-24 10:02:00", "begun 2026-11-25 11:00:00",
    ]  # fmt: skip


def test_rows_that_do_not_tell_their_choices_are_told_by_when_they_began(make_job):
    times = ["2026-11-24T10:02:00.000+00:00", "2026-11-25T11:00:00.000+00:00"]
    assert told(make_job(), make_job(epochs=9), choices=[None, None], started_at=times) == [
        "begun 2026-11-24 10:02:00", "begun 2026-11-25 11:00:00",
    ]  # fmt: skip
