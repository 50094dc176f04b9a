"""--protocol auto: what decides, and that nothing tells it from the protocol that it comes to."""

import pytest

from orchestrator.experiment.auto_protocol import LEAST, resolved
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Category, jobs

AUTO = Experiment(protocol="auto", model=("mean_image",))


def category(name: str, good: int, defective: int) -> Category:
    return Category("folder", name, "/parts", 100, 50, "f" * 64, labelled=(good, defective))


def test_enough_of_each_kind_is_holdout_and_the_same_experiment_with_the_same_jobs():
    cups = [category("cups", LEAST, LEAST)]
    experiment, why = resolved(AUTO, cups)
    assert why.startswith("protocol auto: holdout, as there are 10 or more good and defective pictures to choose by")
    asked = Experiment(protocol="holdout", model=("mean_image",))
    assert experiment == asked and experiment.hash() == asked.hash()
    assert [job.id for job in jobs(experiment, cups, 1)] == [job.id for job in jobs(asked, cups, 1)]


@pytest.mark.parametrize(
    ("good", "defective", "said"), [(40, 9, "9 defective"), (3, 40, "3 good"), (4, 0, "0 defective")]
)
def test_too_few_of_a_kind_is_synthetic(good, defective, said):
    experiment, why = resolved(AUTO, [category("cups", good, defective)])
    assert experiment.protocol == "synthetic"
    assert f"synthetic, as cups has {said} pictures beside those that train" in why


def test_a_run_has_one_protocol_and_the_category_that_has_fewest_is_named():
    experiment, why = resolved(AUTO, [category("cups", 40, 40), category("lids", 40, 8), category("rims", 40, 2)])
    assert experiment.protocol == "synthetic" and "as rims has 2 defective pictures" in why


def test_a_protocol_that_is_named_stays():
    asked = Experiment(protocol="paper")
    assert resolved(asked, [category("cups", 0, 0)]) == (asked, "")
