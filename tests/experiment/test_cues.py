"""What is said of trivial cues, and that it is found again by the hash of the data alone."""

import dataclasses

import pytest

from datasets.frame import Frame
from datasets.trivial_cues import Cue
from orchestrator.experiment import cues
from orchestrator.experiment.cues import Finding
from orchestrator.results.output import Output

FINDING = Finding("bracket", "d" * 64, (Cue("width in pixels", 1.0), Cue("mean red", 0.05)))


@pytest.fixture
def output(tmp_path) -> Output:
    return Output(str(tmp_path))


def test_a_finding_is_one_line_that_names_every_number():
    assert str(FINDING) == (
        "trivial cue in bracket: width in pixels alone separates good from defective with AUROC 1.000, "
        "mean red with 0.050; no detector's figure there is evidence"
    )


def test_a_category_of_several_sizes_is_looked_at_once(fabric):
    lit = fabric.labels[:, None, None, None] * 200
    pixels = (lit + 0 * fabric.pixels).astype("uint8")
    bright = dataclasses.replace(fabric, pixels=pixels)
    (finding,) = cues.find([bright, dataclasses.replace(bright, frame=Frame(64, 64))])
    assert (finding.category, finding.data_hash) == ("fabric", fabric.data_hash)
    assert finding.cues[0] == Cue("mean brightness", 1.0)
    assert cues.find([fabric]) == []


def test_what_was_kept_is_found_by_the_data_of_the_rows(output):
    cues.keep(output, [FINDING])
    assert cues.kept(output, ["e" * 64, None, FINDING.data_hash, FINDING.data_hash]) == [FINDING]
    assert cues.kept(output, ["e" * 64]) == []


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"category": "a"}', b'{"category": "a", "cues": [{"name": 1}]}'])
def test_a_note_of_another_making_is_left_out(output, content):
    output.write(content, "experiments", f"trivial-cues-{'d' * 12}.json")
    assert cues.kept(output, ["d" * 64]) == []
