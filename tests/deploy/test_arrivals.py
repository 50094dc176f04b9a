"""Which files are new and whole: each once, none while it is being written. Looks are plain dictionaries here."""

from orchestrator.deploy.arrivals import PATIENCE_S, Arrivals, Identity, identity

OLD, NEW = Identity(100, 1), Identity(200, 2)


def test_a_file_is_due_when_two_looks_in_a_row_find_it_the_same():
    arrivals = Arrivals({})
    assert arrivals.due({"a": OLD}, 0.0) == []
    assert arrivals.due({"a": NEW}, 0.2) == [], "it grows"
    assert arrivals.due({}, 0.4) == []
    assert arrivals.due({"a": NEW}, 0.6) == [], "it was away"
    assert arrivals.due({"a": NEW, "b": OLD}, 0.8) == ["a"]


def test_one_that_is_due_and_not_judged_stays_due():
    arrivals = Arrivals({})
    arrivals.due({"a": OLD}, 0.0)
    assert arrivals.due({"a": OLD}, 0.2) == arrivals.due({"a": OLD}, 0.4) == ["a"]


def test_a_judged_file_is_due_again_only_as_another_one():
    arrivals = Arrivals({"a": OLD})
    for now_s in (0.0, 0.2, 0.4):
        assert arrivals.due({"a": OLD}, now_s) == []
    assert arrivals.due({"a": NEW}, 0.6) == []
    assert arrivals.due({"a": NEW}, 0.8) == ["a"]
    arrivals.close("a")
    assert arrivals.due({"a": NEW}, 1.0) == [] and arrivals.judged == {"a": NEW}


def test_a_file_that_cannot_be_seen_for_a_while_is_still_judged():
    arrivals = Arrivals({"a": OLD})
    arrivals.due({}, 0.0)
    assert [arrivals.due({"a": OLD}, now_s) for now_s in (0.2, 0.4)] == [[], []]


def test_a_moved_file_makes_room_for_another_of_its_name():
    arrivals = Arrivals({"a": OLD})
    arrivals.forget("a")
    arrivals.due({"a": OLD}, 0.0)
    assert arrivals.due({"a": OLD}, 0.2) == ["a"]


def test_a_failure_is_believed_only_after_patience_and_when_it_fails_again():
    arrivals = Arrivals({})
    arrivals.due({"a": OLD}, 0.0)
    assert arrivals.due({"a": OLD}, 0.2) == ["a"] and not arrivals.failed("a")
    assert arrivals.due({"a": OLD}, PATIENCE_S - 0.1) == []
    assert arrivals.due({"a": OLD}, PATIENCE_S) == ["a"] and arrivals.failed("a")


def test_a_failed_file_that_goes_on_growing_is_another_one():
    arrivals = Arrivals({})
    for now_s in (0.0, 0.2):
        arrivals.due({"a": OLD}, now_s)
    arrivals.failed("a")
    arrivals.due({"a": NEW}, 5.0)
    assert arrivals.due({"a": NEW}, 5.2) == ["a"] and not arrivals.failed("a")


def test_the_identity_of_a_file_is_its_size_and_time(tmp_path):
    path = tmp_path / "a"
    assert identity(str(path)) is None
    path.write_bytes(b"abc")
    assert identity(str(path)) == (3, path.stat().st_mtime_ns)
