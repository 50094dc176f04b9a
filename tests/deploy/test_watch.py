"""A watched folder: each whole picture judged once, kept before it is moved, whatever ends the watch and when."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator import cli
from orchestrator.deploy import sorting, watch
from orchestrator.deploy.detector import TrainedDetector
from orchestrator.deploy.sorting import LINK, MOVE, Sorting
from orchestrator.deploy.watch import Watch
from orchestrator.errors import InputError, RunError


class Killed(BaseException):
    """Ends a watch in the middle of what it does."""


class Desk:
    """A watched folder `new`, results in `to`, and a watch that can be begun again and again; time is what it says."""

    def __init__(self, root: Path, detector: TrainedDetector, monkeypatch):
        self.new, self.to, self.sorted, self.detector = root / "new", root / "to", root / "sorted", detector
        self.new.mkdir()
        self.clock_s = 0.0
        monkeypatch.setattr(watch.time, "monotonic", lambda: self.clock_s)
        monkeypatch.setattr(watch.time, "sleep", self.sleep)

    def draw(self, name: str, seed: int = 0) -> Path:
        """Writes black and white noise, which is defective, or with a `seed` of None plain grey, which is good."""
        pixels = np.full((8, 8, 3), 128, np.uint8)
        if seed is not None:
            pixels = 255 * np.random.default_rng(seed).integers(0, 2, (32, 32, 3), dtype=np.uint8)
        (self.new / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(self.new / name)
        return self.new / name

    def watch(self, looks: int = 4, how: str | None = None, maps: str = "none", before_look=lambda number: None) -> int:
        """Watches for so many looks; before each, `before_look` may do what a camera does."""
        self.before_look, self.looks = before_look, 0
        before_look(0)
        own = Watch(self.detector, self.new, self.to, maps, Sorting(self.sorted, how) if how else None)
        return own.run(lambda: self.looks >= looks, tell=lambda rows: None)

    def sleep(self, seconds: float) -> None:
        """In place of time.sleep, between two looks."""
        self.clock_s += seconds
        self.looks += 1
        self.before_look(self.looks)

    def rows(self) -> pd.DataFrame:
        """The record. The CSV file must say the same."""
        lines = pd.read_csv(self.to / "predictions.csv")
        if not list((self.to / "predictions.parquet").iterdir()):
            return lines
        rows = pd.read_parquet(self.to / "predictions.parquet")
        assert lines.path.tolist() == rows.path.tolist() and lines.verdict.tolist() == rows.verdict.tolist()
        return rows

    def names(self) -> list[str]:
        """Of the pictures of the record, in order."""
        return [Path(path).relative_to(self.new).as_posix() for path in self.rows().path]

    def files(self) -> list[str]:
        """What lies in the folder that is sorted into."""
        return sorted(path.relative_to(self.sorted).as_posix() for path in self.sorted.rglob("*") if path.is_file())


@pytest.fixture
def desk(tmp_path, load, monkeypatch) -> Desk:
    found = load()
    return Desk(tmp_path.resolve(), TrainedDetector(found, found.detector("cpu")), monkeypatch)


def test_what_is_there_and_what_comes_is_judged_once_with_the_scores_of_predict(desk):
    desk.draw("old.png", seed=0)
    arriving = {2: "sub/1.png", 3: "2.jpg"}
    desk.watch(8, before_look=lambda number: number in arriving and desk.draw(arriving[number], seed=number))
    assert desk.names() == ["old.png", "sub/1.png", "2.jpg"]
    expected = desk.detector.judge([desk.new / name for name in desk.names()])
    columns = [name for name in expected.columns]
    pd.testing.assert_frame_equal(desk.rows()[columns], expected, check_dtype=False)
    desk.watch()
    assert len(desk.rows()) == 3, "a second watch judges nothing again"


def test_a_file_that_is_being_written_is_waited_for(desk):
    whole = desk.draw("a.png").read_bytes()

    def write(number: int) -> None:
        (desk.new / "a.png").write_bytes(whole[: len(whole) * (number + 1) // 20])

    desk.watch(20, before_look=write)
    assert len(desk.rows()) == 0
    desk.watch(3)
    assert desk.names() == ["a.png"] and desk.rows().error.isna().all()


def test_a_pause_in_the_middle_of_a_file_is_no_error_and_a_file_that_stays_torn_is_one(desk):
    whole = desk.draw("a.png").read_bytes()
    (desk.new / "a.png").write_bytes(whole[:500])
    shutil.copy(desk.new / "a.png", desk.new / "torn.png")
    assert desk.watch(20) == 2 and len(desk.rows()) == 0, "for four seconds"
    (desk.new / "a.png").write_bytes(whole)
    assert desk.watch(60, how=MOVE) == 0
    rows = desk.rows().set_index(pd.Index(desk.names()))
    assert rows.verdict["a.png"] == "defective" and "truncated" in rows.error["torn.png"]
    assert desk.files() == ["defective/a.png", "not-judged/torn.png"]


def test_a_picture_under_an_old_name_is_a_new_one(desk):
    desk.draw("a.png", seed=0)
    desk.watch(maps="all")
    desk.draw("a.png", seed=None)
    desk.watch(maps="all")
    rows = desk.rows()
    assert desk.names() == ["a.png", "a.png"] and rows.verdict.tolist() == ["defective", "good"]
    assert rows.heat_map.nunique() == 2 and all((desk.to / name).is_file() for name in rows.heat_map)


def test_pictures_are_moved_by_verdict_and_nothing_is_written_over(desk):
    desk.draw("a.png", seed=0)
    desk.draw("sub/b.png", seed=None)
    desk.watch(how=MOVE)
    desk.draw("a.png", seed=1)
    desk.watch(how=MOVE)
    assert desk.files() == ["defective/a-2.png", "defective/a.png", "good/sub/b.png"]
    assert not [path for path in desk.new.rglob("*") if path.is_file()]
    assert sorted(desk.rows().moved_to) == sorted(str(desk.sorted / name) for name in desk.files())
    first = desk.detector.judge(desk.sorted / "defective/a.png")
    assert first.score[0] == desk.rows().score[0]


def test_a_moved_picture_that_is_put_back_is_judged_again(desk):
    desk.draw("a.png", seed=0)

    def put_back(number: int) -> None:
        if number == 4:
            shutil.move(desk.sorted / "defective/a.png", desk.new / "a.png")

    desk.watch(8, how=MOVE, before_look=put_back)
    assert desk.names() == ["a.png", "a.png"] and desk.files() == ["defective/a.png"]


def test_links_leave_the_pictures_where_they_are(desk):
    desk.draw("a.png", seed=0)
    for _ in range(2):
        desk.watch(how=LINK)
    assert desk.files() == ["defective/a.png"] and len(desk.rows()) == 1
    assert (desk.sorted / "defective/a.png").readlink() == desk.new / "a.png"
    assert desk.rows().linked_to.tolist() == [str(desk.sorted / "defective/a.png")]


@pytest.mark.parametrize("how", [MOVE, LINK])
@pytest.mark.parametrize(
    ("where", "name"),
    [(watch, "predictions"), (watch.record, "put_whole"), (watch.record, "_lines"), (sorting, "carry_out"),
     (watch.Arrivals, "close")],
)  # fmt: skip
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_point_the_next_watch_loses_and_doubles_nothing(desk, monkeypatch, how, where, name, moment):
    original, calls = getattr(where, name), []

    def kill(*args, **options):
        calls.append(name)
        if len(calls) == 3:
            if moment == "after":
                original(*args, **options)
            raise Killed
        return original(*args, **options)

    for i in range(6):
        desk.draw(f"{i}.png", seed=i if i % 2 else None)
    monkeypatch.setattr(watch, "BATCH", 2)
    monkeypatch.setattr(where, name, kill)
    with pytest.raises(Killed):
        desk.watch(how=how)
    desk.watch(6, how=how)
    assert sorted(desk.names()) == [f"{i}.png" for i in range(6)]
    assert desk.files() == [*(f"defective/{i}.png" for i in (1, 3, 5)), *(f"good/{i}.png" for i in (0, 2, 4))]
    assert len(list(desk.new.iterdir())) == (0 if how == MOVE else 6)


def test_a_picture_that_is_replaced_while_it_is_judged_is_judged_as_it_is_then(desk, monkeypatch):
    desk.draw("a.png", seed=None)
    original, calls = watch.predictions, []

    def judge(*args):
        rows = original(*args)
        if not calls:
            desk.draw("a.png", seed=1)
        calls.append(rows)
        return rows

    monkeypatch.setattr(watch, "predictions", judge)
    desk.watch(6, how=MOVE)
    assert desk.rows().verdict.tolist() == ["defective"] and desk.files() == ["defective/a.png"]


def test_a_disk_that_fails_ends_it_with_what_was_kept(desk, monkeypatch):
    desk.draw("a.png")

    def full(*_):
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr(watch.record, "put_whole", full)
        with pytest.raises(RunError, match="No space left on device: somewhere. What was judged is kept"):
            desk.watch()
    desk.watch()
    assert desk.names() == ["a.png"]


def test_another_file_system_takes_a_copy_and_then_the_original_is_removed(desk, monkeypatch):
    original, content = sorting.os.replace, desk.draw("a.png").read_bytes()

    def replace(source, place):
        if Path(source).is_relative_to(desk.new):
            raise OSError(sorting.errno.EXDEV, "Invalid cross-device link", source)
        original(source, place)

    monkeypatch.setattr(sorting.os, "replace", replace)
    desk.watch(how=MOVE)
    assert desk.files() == ["defective/a.png"] and not list(desk.new.iterdir())
    assert (desk.sorted / "defective/a.png").read_bytes() == content


def test_a_name_that_is_not_utf8_is_moved_too(desk):
    shutil.move(desk.draw("a.png"), bytes(desk.new) + b"/\xff.png")
    desk.watch(how=MOVE)
    assert desk.files() == ["defective/\\xff.png"] and not list(desk.new.iterdir())
    assert desk.names() == ["\\xff.png"]


def test_places_within_the_watched_folder_and_no_folder_at_all_are_refused(desk):
    for place, flag in (("to", "--to"), ("sorted", "--sort-into")):
        setattr(desk, place, desk.new / "within")
        with pytest.raises(InputError, match=f"{flag} .*within lies in the watched folder"):
            desk.watch(how=MOVE)
        setattr(desk, place, desk.new.parent / place)
    desk.new.rmdir()
    with pytest.raises(InputError, match="new is no folder"):
        desk.watch()


def test_predict_neither_replaces_a_record_nor_judges_its_heat_maps(desk, capsys):
    desk.draw("a.png")
    desk.watch(maps="all")
    place, to = desk.detector.checkpoint.place, str(desk.to)
    assert cli.main(["predict", str(desk.new), "--checkpoint", place, "--to", to]) == 2
    assert "holds what 'predict --watch' has judged" in capsys.readouterr().err
    assert len(desk.rows()) == 1
    shutil.copy(desk.new / "a.png", desk.to)
    elsewhere = str(desk.new.parent / "elsewhere")
    assert cli.main(["predict", to, "--checkpoint", place, "--to", elsewhere]) == 0
    assert "1 picture, 1 defective" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "IMAGES to judge, or --watch FOLDER alone, is expected"),
        (["a.png", "--watch", "in"], "IMAGES to judge, or --watch FOLDER alone"),
        (["--watch", "in", "--export", "a.onnx"], "leave --watch out"),
        (["a.png", "--sort-into", "b"], "--sort-into is of --watch FOLDER"),
    ],
)
def test_words_that_do_not_go_together_are_refused(words, message, capsys):
    assert cli.main(["predict", *words]) == 2
    assert message in capsys.readouterr().err
