"""The command line's words: every option of the dataclasses is a flag, and a wrong word is one line."""

import re
import shlex

import pytest

from orchestrator.cli import arguments
from orchestrator.errors import InputError
from orchestrator.experiment import config


def complaint(*argv: str) -> str:
    with pytest.raises(InputError) as caught:
        arguments.parse(list(argv))
    (line,) = str(caught.value).splitlines()
    return line


def run_help(capsys) -> str:
    with pytest.raises(SystemExit) as left:
        arguments.parse(["run", "--help"])
    assert left.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_only_what_was_given_is_handed_on_so_that_yaml_can_say_the_rest():
    asked = arguments.parse(["run", "--epochs", "3", "--seed", "1", "--seed", "2", "--fresh", "--config", "a.yaml"])
    assert arguments.given(asked) == {"epochs": "3", "seed": ["1", "2"], "fresh": True}
    assert asked.config == "a.yaml"


@pytest.mark.parametrize("verb", ["run", "plan", "doctor"])
def test_verbs_that_look_at_an_experiment_take_all_its_options(verb):
    words = [
        word
        for name, field in config.options().items()
        for word in ([config.flag(name)] if field.type is bool else [config.flag(name), "x"])
    ]
    assert set(arguments.given(arguments.parse([verb, *words]))) == set(config.options())


def test_help_shows_every_flag_with_its_default(capsys):
    text = run_help(capsys).partition("what is computed:")[2]
    for name, field in config.options().items():
        assert re.search(rf"{config.flag(name)}[, ]", text)
        if field.type is not bool and field.default not in (None, ()):
            shown = ", ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
            told = re.search(rf"{config.flag(name)} .*?\(default: ([^)]*)\)", text)
            assert told and told[1] in (str(shown), "all"), name


def test_help_lists_the_choices(capsys):
    assert "one of holdout, synthetic, paper" in run_help(capsys)


@pytest.mark.parametrize("verb", sorted(arguments.EXAMPLES))
def test_every_example_of_help_is_a_command_that_can_be_given(verb, capsys):
    with pytest.raises(SystemExit):
        arguments.parse([verb, "--help"] if verb else ["--help"])
    shown = capsys.readouterr().out.partition("examples:")[2]
    commands = re.findall(r"^  (defectsweep .*)$", shown, re.M)
    assert commands
    for command in commands:
        words = shlex.split(command, comments=True)
        assert arguments.parse(words[1:]).verb == (verb or words[1])


def test_a_typo_in_a_flag_names_the_nearest():
    assert complaint("run", "--trails", "3") == "unknown argument '--trails'. Did you mean --trials?"
    assert complaint("run", "--epochs=3", "--sedd=1") == "unknown argument '--sedd'. Did you mean --seed?"


def test_a_flag_is_never_guessed_from_its_beginning():
    assert "unknown argument '--epoch'" in complaint("run", "--epoch", "3")


def test_a_word_too_many_points_at_the_help():
    assert complaint("run", "bottle") == "unknown argument 'bottle'. See 'defectsweep run --help'."


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        ((), "VERB"),
        (("rnu",), "'rnu'"),
        (("run", "--epochs"), "--epochs"),
        (("leaderboard", "--by", "seed"), "--by"),
        (("leaderboard", "--format", "xml"), "--format"),
        (("leaderboard", "--paper", "--by", "model"), "--by: not allowed with argument --paper"),
        (("leaderboard", "--sql", "SELECT 1", "--paper"), "--paper: not allowed with argument --sql"),
        (("datasets", "mend"), "'mend'"),
        (("datasets", "make", "synthetic", "--size-px", "big"), "--size-px"),
    ],
)
def test_every_other_mistake_names_the_word_and_the_help(argv, named):
    line = complaint(*argv)
    assert named in line and "--help" in line


def test_a_leaderboard_has_its_defaults():
    asked = arguments.parse(["leaderboard"])
    assert (asked.output, asked.by, asked.format, asked.sort, asked.sql) == ("results", "job", "table", None, None)
    assert not asked.paper


def test_figures_take_their_filters_more_than_once():
    asked = arguments.parse(["figures", "--category", "a", "--category", "b", "--model", "m"])
    assert (asked.output, asked.to) == ("results", None)
    assert (asked.dataset, asked.category, asked.model) == ([], ["a", "b"], ["m"])
