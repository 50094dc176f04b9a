"""The command line's words: one parser, whose options are the Experiment's and the Execution's own fields."""

import argparse
import typing
from difflib import get_close_matches
from typing import Any, NoReturn

from orchestrator import config, leaderboard
from orchestrator.errors import InputError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are InputErrors, and name the nearest flag."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}. See '{self.prog} --help'.")


def parser() -> Parser:
    top = Parser(
        prog="defectsweep",
        description="Trains, tunes and ranks visual anomaly detectors on a Ray cluster.",
        allow_abbrev=False,
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, help in (
        ("run", "the main job: search, refit and rank every model on every category"),
        ("plan", "print the jobs, their resources and the expected cost; run nothing"),
        ("doctor", "check this machine, the cluster and the data; run nothing"),
    ):
        _add_options(_verb(verbs, name, help))
    board = _verb(verbs, "leaderboard", "print the ranking of an output")
    board.add_argument("--output", default="results", metavar="DIR/URI", help="where the rows are (default: results)")
    what = board.add_mutually_exclusive_group()
    what.add_argument("--by", choices=("job", "category", "model"), default="job", help="what a line is (default: job)")
    what.add_argument("--sql", metavar="QUERY", help="run SQL over the tables leaderboard, trials and scores")
    what.add_argument("--paper", action="store_true", help="set our figures beside the paper's tables 1 and 2")
    board.add_argument("--sort", metavar="COLUMN", help="sort by this column instead of the rank")
    board.add_argument("--format", choices=leaderboard.FORMATS, default="table", help="(default: table)")
    figures = _verb(verbs, "figures", "draw the paper's figures 8, 9 and 10 from an output's rows, as PNG and SVG")
    figures.add_argument("--output", default="results", metavar="DIR/URI", help="where the rows are (default: results)")
    figures.add_argument("--to", metavar="DIR", help="where to write (default: OUTPUT/figures, or figures for a URI)")
    for name in ("dataset", "category", "model"):
        figures.add_argument(
            f"--{name}", action="append", default=[], metavar="NAME", help=f"only this {name}; repeatable"
        )
    compact = _verb(verbs, "compact", "merge an output's many small files of rows into a few; sweeps may be running")
    compact.add_argument("--output", default="results", metavar="DIR/URI", help="where the rows are (default: results)")
    data = _verb(verbs, "datasets", "list the datasets; check one's files, or write the synthetic one as files")
    data.add_argument("action", nargs="?", choices=("check", "make"), help="check NAME, or make synthetic")
    data.add_argument("name", nargs="?", help="a dataset of the list")
    data.add_argument("--data-root", metavar="DIR", help="folder of the images")
    data.add_argument(
        "--size-px", type=int, default=256, metavar="N", help="of the images that 'make' writes (default: 256)"
    )
    _verb(verbs, "models", "list the detectors with their parameters and search spaces")
    return top


def parse(argv: list[str]) -> argparse.Namespace:
    top = parser()
    known, rest = top.parse_known_args(argv)
    if rest:
        flags = [
            text
            for action in _verb_parser(top, known.verb)._actions
            for text in action.option_strings
            if text.startswith("--")
        ]
        name = rest[0].split("=")[0]
        near = get_close_matches(name, flags, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"See 'defectsweep {known.verb} --help'."
        raise InputError(f"unknown argument {name!r}. {hint}")
    return known


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that the user gave on the command line."""
    return {name: value for name, value in vars(arguments).items() if name in config.options()}


def _verb(verbs, name: str, help: str) -> Parser:
    return verbs.add_parser(name, help=help, description=help, allow_abbrev=False)


def _verb_parser(top: Parser, verb: str) -> Parser:
    return next(a for a in top._actions if isinstance(a, argparse._SubParsersAction)).choices[verb]


def _add_options(parser: Parser) -> None:
    """Every option defaults to "not given", so that a YAML file can hold it; `--help` shows the real default."""
    parser.add_argument("--config", metavar="FILE.yaml", help="read options from a file; flags win over it")
    for group, kind in (("what is computed", config.Experiment), ("where and how", config.Execution)):
        section = parser.add_argument_group(group)
        hints = typing.get_type_hints(kind)
        for name, field in {f.name: f for f in config.options().values() if f.name in hints}.items():
            is_list = typing.get_origin(hints[name]) is tuple
            shown = field.metadata["help"]
            if field.metadata["choices"] and not is_list:
                shown += f"; one of {', '.join(field.metadata['choices'])}"
            if is_list:
                shown += "; repeatable"
            if hints[name] is not bool and field.default not in (None, ()) and "default:" not in shown:
                shown += f" (default: {', '.join(map(str, field.default)) if is_list else field.default})"
            options = {"default": argparse.SUPPRESS, "help": shown.replace("%", "%%")}
            if hints[name] is bool:
                section.add_argument(config.flag(name), action="store_true", **options)
            else:
                section.add_argument(
                    config.flag(name),
                    metavar=field.metadata["metavar"],
                    action="append" if is_list else "store",
                    **options,
                )
