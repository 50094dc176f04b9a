"""What is known of anomalib's models without importing it, and what is said of those that cannot be run."""

import subprocess
import sys

import pytest

from model import anomalib_names
from model.anomalib_names import ADAPTED, REFUSED, why_not
from model.catalog import KNOWN, MODELS, takes_steps


def test_names_need_neither_anomalib_nor_torch(checkout):
    program = "import sys, model.catalog, search_spaces.catalog; print({'torch', 'anomalib'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], cwd=checkout, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_known_are_our_own_and_those_that_can_be_adapted():
    assert set(KNOWN) == {*MODELS, *ADAPTED} and not set(ADAPTED) & set(REFUSED)


def test_the_catalogue_knows_which_are_made_by_one_look():
    assert not takes_steps("anomalib:padim") and takes_steps("anomalib:stfpm")
    assert not takes_steps("padim") and takes_steps("ganomaly")


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_run_is_refused_in_one_line_with_its_reason(name):
    line = why_not(name)
    assert REFUSED[name] in line and "defectsweep models anomalib" in line and "\n" not in line


def test_without_the_package_each_is_refused_with_the_extra_that_has_it(monkeypatch):
    monkeypatch.setattr(anomalib_names, "is_installed", lambda: False)
    assert "pip install 'defectsweep[anomalib]'" in why_not("anomalib:padim")
    assert why_not("padim") is None


def test_every_image_model_of_anomalib_is_adapted_or_refused():
    image = pytest.importorskip("anomalib.models.image")
    known = {name.removeprefix(anomalib_names.PREFIX) for name in (*ADAPTED, *REFUSED)}
    folders = {name for name, part in vars(image).items() if hasattr(part, "__path__")}
    assert known == folders
    assert all(hasattr(image, adapted.kind) for adapted in ADAPTED.values())
