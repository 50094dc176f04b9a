"""What a watch has judged: whole parts, a CSV file that says the same, one writer at a time."""

import pandas as pd
import pyarrow.parquet as pq
import pytest

from orchestrator.deploy import record
from orchestrator.deploy.record import WatchedRow
from orchestrator.errors import InputError


def row(path: str, **columns) -> WatchedRow:
    known = {"path": path, "score": 0.25, "verdict": "good", "threshold": 0.5, "category": "c", "dataset": "d"}
    known |= {"model": "m", "job_id": "j", "file_bytes": 7, "modified_ns": 2**62, "judged_at": "2026-11-27T09:00:00"}
    return WatchedRow(**{**known, **columns})


def paths(to) -> list[str]:
    return pd.read_parquet(to / "predictions.parquet").path.tolist()


def test_rows_of_all_batches_and_watches_are_there_in_order_and_in_csv_too(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "PART_ROWS", 3)
    written = []
    for start in (0, 5):
        with record.opened(tmp_path) as kept:
            for i in range(start, start + 5):
                written.append(f"/in/{i}.png")
                kept.append([row(written[-1], moved_to="/out/=1.png" if i == 1 else None)])
                assert paths(tmp_path) == written
                assert pd.read_csv(tmp_path / "predictions.csv").path.tolist() == written
    assert len(list((tmp_path / "predictions.parquet").iterdir())) == 4, "of 3, 3, 3 and 1 rows"
    with record.opened(tmp_path) as kept:
        assert kept.judged() == {path: (7, 2**62) for path in written if path != "/in/1.png"}
        assert [one.path for one in kept.newest(3)] == written[-1:]
        assert kept.newest(3) == [row(written[-1])]


def test_a_file_that_was_judged_twice_is_known_as_it_was_last(tmp_path):
    with record.opened(tmp_path) as kept:
        kept.append([row("/in/a.png"), row("/in/a.png", file_bytes=8)])
        assert kept.judged() == {"/in/a.png": (8, 2**62)}


def test_what_a_kill_leaves_half_written_is_mended_at_the_next_start(tmp_path):
    with record.opened(tmp_path) as kept:
        kept.append([row("/in/a.png"), row("/in/b.png")])
    whole = (tmp_path / "predictions.csv").read_bytes()
    (tmp_path / "predictions.csv").write_bytes(whole[:-9])
    (tmp_path / "predictions.parquet/.part-000001.parquet.abc.tmp").write_bytes(b"half")
    with record.opened(tmp_path):
        assert (tmp_path / "predictions.csv").read_bytes() == whole
        assert [path.name for path in (tmp_path / "predictions.parquet").iterdir()] == ["part-000001.parquet"]


def test_a_part_that_was_taken_away_is_not_written_over(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "PART_ROWS", 1)
    with record.opened(tmp_path) as kept:
        for name in "ab":
            kept.append([row(name)])
    (tmp_path / "predictions.parquet/part-000001.parquet").unlink()
    with record.opened(tmp_path) as kept:
        kept.append([row("c")])
    assert paths(tmp_path) == ["b", "c"]


def test_a_record_has_one_writer_at_a_time(tmp_path):
    with record.opened(tmp_path):
        with pytest.raises(InputError, match="is another watch's. End that one, or name another folder"):
            with record.opened(tmp_path):
                pass
    with record.opened(tmp_path):
        pass


def test_results_of_another_kind_and_places_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        with record.opened(tmp_path / "file"):
            pass
    pq.write_table(record.SCHEMA.empty_table(), tmp_path / "predictions.parquet")
    with pytest.raises(InputError, match="holds what 'predict' has judged without --watch"):
        with record.opened(tmp_path):
            pass


def test_a_part_that_is_none_is_named_and_nothing_changes(tmp_path):
    (tmp_path / "predictions.parquet").mkdir()
    (tmp_path / "predictions.parquet/part-000001.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="part-000001.parquet is no part of a watch"):
        with record.opened(tmp_path):
            pass
    assert not (tmp_path / "predictions.csv").exists()
