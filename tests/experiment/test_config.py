"""The Experiment and the Execution: what wins over what, what is refused, and what makes two experiments equal."""

import dataclasses
import subprocess
import sys

import pytest

from model.catalog import MODELS
from orchestrator.errors import InputError
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.reading import load


@pytest.fixture
def yaml_file(tmp_path):
    """Writes a configuration file; returns its path."""

    def write(text: str) -> str:
        path = tmp_path / "sweep.yaml"
        path.write_text(text)
        return str(path)

    return write


def complaint(flags: dict, file: str | None = None) -> str:
    """The one line that a wrong configuration is refused with."""
    with pytest.raises(InputError) as caught:
        load(flags, file)
    (line,) = str(caught.value).splitlines()
    return line


# -- precedence


def test_flags_win_over_yaml_and_yaml_over_defaults(yaml_file):
    file = yaml_file("epochs: 7\ntrials: 3\ndata-root: /data\n")
    experiment, execution = load({"epochs": "9"}, file)
    assert experiment.epochs == 9, "a flag"
    assert experiment.trials == 3, "the file"
    assert experiment.batch == Experiment().batch, "the default"
    assert execution.data_root == "/data", "a key may be spelt as the flag is"


def test_a_list_of_a_flag_replaces_the_files_list(yaml_file):
    file = yaml_file("category: [bottle, cable]\nseed: 3\n")
    assert load({}, file)[0].category == ("bottle", "cable")
    assert load({}, file)[0].seed == (3,), "one value is a list of one"
    assert load({"category": ["screw"]}, file)[0].category == ("screw",)


def test_words_of_a_command_line_become_the_fields_types():
    experiment, execution = load({"seed": ["1", "2"], "parallel_trials": "4", "scheduler": "none"}, None)
    assert (experiment.seed, experiment.parallel_trials, experiment.scheduler) == ((1, 2), 4, "none")
    assert load({"gpus_per_trial": "0.25"}, None)[1].gpus_per_trial == 0.25
    assert execution.gpus_per_trial is None, "not asked for"


def test_all_stands_for_every_detector(yaml_file):
    assert load({"model": ["all"]}, None)[0].model == tuple(MODELS)
    assert load({}, yaml_file("model: all\n"))[0].model == tuple(MODELS)
    assert "mean_image" in Experiment().model and len(Experiment().model) < len(MODELS), "a first run is a short one"


def test_what_is_named_twice_is_swept_once():
    experiment, _ = load({"model": ["mean_image", "mean_image"], "seed": ["1", "01", "0"]}, None)
    assert (experiment.model, experiment.seed) == (("mean_image",), (1, 0))


# -- mistakes


def test_a_typo_in_a_yaml_key_names_the_file_and_the_nearest_key(yaml_file):
    line = complaint({}, yaml_file("epocs: 3\n"))
    assert "sweep.yaml" in line and "'epocs'" in line and "Did you mean 'epochs'?" in line


@pytest.mark.parametrize(
    ("text", "found"),
    [("- 1\n- 2\n", "list"), ("epochs: [1\n", "not YAML"), ("", "NoneType"), ("epochs: 3\nepochs", "not YAML")],
)
def test_a_file_that_is_no_mapping(yaml_file, text, found):
    line = complaint({}, yaml_file(text))
    assert "sweep.yaml" in line and found in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("category: 010", ("010",)),
        (
            "category: [no, off, 1.10, 2026-11-26, 0x1F, 1_000, ~a]",
            ("no", "off", "1.10", "2026-11-26", "0x1F", "1_000", "~a"),
        ),
        ('category: ["null", Yes]', ("null", "Yes")),
    ],
)
def test_a_name_is_the_text_that_was_written(yaml_file, text, expected):
    assert load({}, yaml_file(text))[0].category == expected


def test_numbers_truths_and_nothing_are_read_by_the_options_own_type(yaml_file):
    experiment, execution = load(
        {}, yaml_file("epochs: 010\nskip_unreadable: True\nmax_concurrent: null\nseed: [1, 2]")
    )
    assert (experiment.epochs, experiment.seed) == (10, (1, 2))
    assert execution.skip_unreadable is True and execution.max_concurrent is None


def test_a_time_of_the_day_is_no_length_of_time(yaml_file):
    assert "--time-budget '1:30': a number and s, m, h or d" in complaint({}, yaml_file("time_budget: 1:30"))


@pytest.mark.parametrize("text", ["epochs: 3\ntrials: 2\nepochs: 4", "size-px: 64\ntrials: 2\nsize_px: 32"])
def test_a_key_that_is_there_twice_is_refused_with_its_line(yaml_file, text):
    line = complaint({}, yaml_file(text))
    assert "is there 2 times, first in line 1; keep one" in line
    assert "'lr' is there 2 times, first in line 2" in complaint({}, yaml_file("set:\n  lr: 1\n  lr: 2"))


def test_a_file_that_cannot_be_read(tmp_path):
    assert "No such file" in complaint({}, str(tmp_path / "none.yaml"))
    assert "Is a directory" in complaint({}, str(tmp_path))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    assert "is not YAML" in complaint({}, str(tmp_path / "binary.yaml"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochs: many", "--epochs 'many': a whole number is expected."),
        ("epochs: 2.5", "--epochs '2.5': a whole number is expected."),
        ("epochs: true", "--epochs 'true': a whole number is expected."),
        ("epochs: [1, 2]", "--epochs ['1', '2']: a whole number is expected."),
        ("epochs: null", "--epochs None: a whole number is expected."),
        ("epochs: .inf", "--epochs '.inf': a whole number is expected."),
        ("seed: [0, .nan]", "--seed '.nan': a whole number is expected."),
        ("gpus-per-trial: half", "--gpus-per-trial 'half': a number is expected."),
        ("skip_unreadable: 1", "--skip-unreadable '1': true or false is expected."),
        ("output: {a: b}", "--output {'a': 'b'}: a word is expected."),
    ],
)
def test_a_value_of_a_wrong_type_names_the_option(yaml_file, text, expected):
    assert complaint({}, yaml_file(text)) == expected


@pytest.mark.parametrize("name", ["trials", "epochs", "size_px", "batch", "steps_per_epoch", "parallel_trials"])
@pytest.mark.parametrize("value", ["0", "-3"])
def test_a_count_of_the_experiment_is_at_least_one(name, value):
    assert complaint({name: value}) == f"--{name.replace('_', '-')} {value}: 1 or more is expected."


@pytest.mark.parametrize("name", ["cpus_per_trial", "workers_per_job", "max_concurrent"])
def test_a_count_of_the_execution_is_at_least_one(name):
    assert complaint({name: "0"}) == f"--{name.replace('_', '-')} 0: 1 or more is expected."


def test_failures_may_be_none_but_not_fewer():
    assert load({"max_failures": "0"}, None)[1].max_failures == 0
    assert "--max-failures -1: 0 or more" in complaint({"max_failures": "-1"})


@pytest.mark.parametrize("share", ["0", "1", "5", "nan"])
def test_a_share_of_false_alarms_lies_between_none_and_all(share):
    assert f"--false-alarms {share}: a share above 0 and below 1" in complaint({"false_alarms": share})


@pytest.mark.parametrize("value", ["-1", "-0.5", "1.5", "nan", "inf"])
def test_a_gpu_is_shared_or_held_whole(value):
    assert "a share below 1 or a whole number is expected" in complaint({"gpus_per_trial": value})


@pytest.mark.parametrize("value", ["0", "0.25", "1", "2"])
def test_shares_and_whole_gpus_are_taken(value):
    assert load({"gpus_per_trial": value}, None)[1].gpus_per_trial == float(value)


@pytest.mark.parametrize(
    ("flags", "nearest"),
    [
        ({"model": ["skip_ganomally"]}, "skip_ganomaly"),
        ({"dataset": ["mvtec"]}, "mvtec_ad"),
        ({"protocol": "hold-out"}, "holdout"),
        ({"sampler": "tpee"}, "tpe"),
        ({"backend": "locl"}, "local"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(flags, nearest):
    assert f"Did you mean {nearest!r}?" in complaint(flags)


def test_an_empty_list_is_refused(yaml_file):
    assert "--model is empty" in complaint({}, yaml_file("model: []"))


# -- the time budget


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("1.5h", 5400), ("2 h", 7200), ("1d", 86400), (None, float("inf"))],
)
def test_a_time_budget_is_a_number_and_a_unit(text, seconds):
    assert Execution(time_budget=text).time_budget_s() == seconds


@pytest.mark.parametrize("text", ["soon", "-5m", "1h30m", "5w", "", "1e3s"])
def test_any_other_time_budget_is_refused(text):
    assert "--time-budget" in complaint({"time_budget": text})


# -- fixed hyper-parameters


def test_set_holds_for_every_model_that_has_the_parameter_or_for_one():
    models = ["sa_skip_ganomaly", "skip_ganomaly", "mean_image"]
    experiment, _ = load({"model": models, "set": ["lr=1e-3", "skip_ganomaly.w_con=7"]}, None)
    assert experiment.fixed("sa_skip_ganomaly") == {"lr": 1e-3}
    assert experiment.fixed("skip_ganomaly") == {"lr": 1e-3, "w_con": 7}
    assert experiment.fixed("mean_image") == {}, "it has no learning rate"


def test_the_last_value_wins():
    experiment, _ = load({"set": ["lr=1e-3", "lr=2e-3", "lr=1e-3"]}, None)
    assert experiment.fixed("skip_ganomaly") == {"lr": 1e-3}


def test_set_is_a_mapping_in_yaml(yaml_file):
    experiment, _ = load({}, yaml_file("set:\n  lr: 1e-3\n  skip_ganomaly.w_adv: 2\n"))
    assert experiment.fixed("skip_ganomaly") == {"lr": 1e-3, "w_adv": 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr=0", "lr is 0: expected a number > 0"),
        ("lr=-1e-3", "lr is -0.001: expected a number > 0"),
        ("lr=nan", "lr is nan"),
        ("lr=fast", "lr is 'fast'"),
        ("lr=true", "lr is True"),
        ("lr", "[MODEL.]NAME=VALUE is expected"),
        ("=3", "[MODEL.]NAME=VALUE is expected"),
        ("lr=", "[MODEL.]NAME=VALUE is expected"),
        ("w_cn=3", "Did you mean 'w_con'?"),
        ("skip_ganomaly.w_cn=3", "Did you mean 'w_con'?"),
        ("skip_ganomalie.lr=1e-3", "Did you mean 'skip_ganomaly'?"),
    ],
)
def test_a_wrong_assignment_is_one_line(text, expected):
    assert expected in complaint({"set": [text]})


def test_an_assignment_to_a_model_that_is_not_swept_changes_nothing_so_that_a_file_can_be_run_with_fewer():
    experiment, _ = load({"model": ["mean_image"], "set": ["skip_ganomaly.lr=1e-3"]}, None)
    assert experiment.fixed("mean_image") == {}
    line = complaint({"model": ["mean_image"], "set": ["skip_ganomaly.lrr=1e-3"]})
    assert "'lrr' does not exist" in line and "Did you mean 'lr'?" in line
    assert "'skip_gan' does not exist" in complaint({"set": ["skip_gan.lr=1e-3"]})


# -- the hash

CHANGED = {
    "dataset": ("mvtec_ad",),
    "category": ("bottle",),
    "normal_folder": "gut",
    "model": ("mean_image",),
    "protocol": "crossfit",
    "folds": 10,
    "seed": (1,),
    "size_px": (65,),
    "fit": "tile",
    "tiles_across": 2,
    "trials": 9,
    "epochs": 21,
    "steps_per_epoch": 14,
    "batch": 17,
    "sampler": "tpe",
    "scheduler": "none",
    "parallel_trials": 1,
    "race": False,
    "compile": True,
    "warm_start": "earlier",
    "threshold": "f1",
    "false_alarms": 0.1,
    "set": ("lr=0.001",),
}


def test_equal_experiments_have_equal_hashes_in_every_process():
    told = "from orchestrator.experiment.config import Experiment; print(Experiment(seed=(0, 1)).hash())"
    elsewhere = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert Experiment(seed=(0, 1)).hash() == elsewhere.stdout.strip()


def test_every_field_changes_the_hash():
    assert set(CHANGED) == {field.name for field in dataclasses.fields(Experiment)}
    needs = {
        "tiles_across": {"fit": "tile"}, "normal_folder": {"dataset": ("folder",)}, "folds": {"protocol": "crossfit"},
    }  # fmt: skip
    changed = [Experiment(**needs.get(name, {}), **{name: value}) for name, value in CHANGED.items()]
    assert len({experiment.hash() for experiment in (Experiment(), *changed)}) == len(CHANGED) + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tiles_across": 2}, "--tiles-across 2 is of --fit tile, and --fit is aspect."),
        ({"tiles_across": 0, "fit": "tile"}, "--tiles-across 0: 1 or more is expected."),
        (
            {"tiles_across": 9, "fit": "tile", "size_px": 512},
            "--size-px 512 x --tiles-across 9: 4096 or less is expected.",
        ),
    ],
)
def test_tiles_across_are_of_the_fit_tile_and_their_image_has_bounds(options, message):
    assert complaint(options, None) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": ["mvtec_ad"]}, "--normal-folder gut is of --dataset folder, and --dataset is mvtec_ad."),
        (
            {"dataset": ["folder"], "normal_folder": "train/gut"},
            "--normal-folder train/gut: the name of a folder is expected, such as good, and no path.",
        ),
    ],
)
def test_a_normal_folder_is_a_name_and_of_the_users_own_folders(options, message):
    assert complaint({"normal_folder": "gut", **options}) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 10}, "--folds 10 is of --protocol crossfit, and --protocol is holdout."),
        ({"folds": 10, "protocol": "auto"}, "--folds 10 is of --protocol crossfit, and --protocol is auto."),
        ({"folds": 1, "protocol": "crossfit"}, "--folds 1: 2 or more is expected."),
    ],
)
def test_folds_are_two_or_more_and_of_protocol_crossfit(options, message):
    assert complaint(options) == message


def test_an_option_that_is_not_set_leaves_the_hashes_of_older_experiments():
    """The choice of parallel trials that an output keeps is found by this hash."""
    assert Experiment(model=("mean_image",)).hash() == "9328e3d6a446"


def test_sizes_are_as_many_as_are_given_and_one_is_a_number_wherever_it_is_written_down(yaml_file):
    several, _ = load({}, yaml_file("size_px: [64, 128]\n"))
    assert several.size_px == load({"size_px": ["64", "128"]}, None)[0].size_px == (64, 128)
    assert several.described()["size_px"] == (64, 128)
    assert load({}, yaml_file("size_px: 32\n"))[0].described()["size_px"] == 32
    assert complaint({}, yaml_file("size_px: []\n")) == "--size-px is empty; name at least one."


def test_flags_and_yaml_of_one_meaning_are_one_experiment(yaml_file):
    from_file, _ = load({}, yaml_file("dataset: synthetic\nepochs: 20\nseed: [0]\n"))
    from_flags, _ = load({"dataset": ["synthetic"], "epochs": "20", "seed": ["0"]}, None)
    assert from_file.hash() == from_flags.hash() == Experiment().hash()


def test_where_it_runs_is_no_part_of_the_experiment():
    experiment, _ = load({"backend": "local", "cpus_per_trial": "4", "output": "elsewhere"}, None)
    assert experiment.hash() == Experiment().hash()
