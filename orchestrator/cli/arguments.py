"""The command line's words: one parser, whose options are the Experiment's and the Execution's own fields."""

import argparse
import typing
from typing import Any, NoReturn

from datasets.split import FOLDS
from orchestrator.errors import InputError, nearest
from orchestrator.experiment import config

FORMATS = ("table", "json", "csv", "markdown")
EXAMPLES = {
    "": """
defectsweep run --dataset folder --data-root parts --output results
defectsweep leaderboard --output results
defectsweep report --output results
defectsweep predict new_pictures --output results --category bracket""",
    "run": """
defectsweep run                                                      # generated products: is all well?
defectsweep run --dataset folder --data-root parts --output results  # your own good and defective parts
defectsweep run --config experiments/paper.yaml --data-root /data --output s3://BUCKET/paper
defectsweep run --dataset mvtec_ad --data-root /data --size-px 256 --warm-start results --output larger""",
    "plan": """
defectsweep plan --config experiments/paper.yaml --data-root /data --max-concurrent 8 --probe""",
    "doctor": """
defectsweep doctor --dataset mvtec_ad --data-root /data --output s3://BUCKET/paper""",
    "leaderboard": """
defectsweep leaderboard --output results --by model
defectsweep leaderboard --output results --watch
defectsweep leaderboard --output results --sql "SELECT category, max(test_auc) FROM leaderboard GROUP BY ALL"
""",
    "report": """
defectsweep report --output results --to bracket.html""",
    "figures": """
defectsweep figures --output results --category bottle --model sa_skip_ganomaly --model ganomaly""",
    "predict": """
defectsweep predict camera/2026-11-24 --output results --category bracket --to judged
defectsweep predict new_parts --output results --category bracket --threshold-at recall=0.99
defectsweep predict --watch camera/today --output results --category bracket --to judged --sort-into sorted
defectsweep predict part.png --checkpoint results/checkpoints/JOB --export bracket.pt2""",
    "serve": """
defectsweep serve --output results
curl --data-binary @part.png http://localhost:8000/judge/bracket
DEFECTSWEEP_TOKEN=SECRET defectsweep serve --output results --host 0.0.0.0 --replicas 2""",
    "ensemble": """
defectsweep ensemble --output results --data-root parts""",
    "compact": """
defectsweep compact --output results""",
    "track": """
defectsweep track results mlflow:http://localhost:5000
defectsweep track s3://BUCKET/paper mlflow:https://mlflow.example.com""",
    "datasets": """
defectsweep datasets
defectsweep datasets check folder --data-root parts
defectsweep datasets make synthetic --data-root generated""",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are InputErrors, and name the nearest flag."""

    def error(self, message: str) -> NoReturn:
        """Raises InputError, where argparse would print its usage and exit."""
        raise InputError(f"{message}. See '{self.prog} --help'.")


def parser() -> Parser:
    """The parser of all verbs."""
    top = Parser(
        prog="defectsweep",
        description="Trains, tunes and ranks visual anomaly detectors on a Ray cluster.",
        epilog=_examples("") + "\n\n'defectsweep VERB --help' lists a verb's options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True, title="verbs")
    for name, help, add_arguments in (
        ("run", "the main job: search, refit and rank every model on every category", _add_options),
        ("plan", "print the jobs, their resources and the expected cost; run nothing", _add_plan),
        ("doctor", "check this machine, the cluster and the data; run nothing", _add_options),
        ("leaderboard", "print the ranking of an output", _add_leaderboard),
        ("report", "write what an output holds as one HTML file: ranking, curves, search, pictures", _add_report),
        ("predict", "judge new pictures by a trained detector: scores, verdicts, heat maps", _add_predict),
        ("serve", "judge pictures that come over HTTP, by trained detectors on Ray Serve, until Ctrl-C", _add_serve),
        ("ensemble", "let the best detectors of each category judge together; nothing is trained", _add_ensemble),
        ("figures", "draw the paper's figures 8, 9 and 10 from an output's rows, as PNG and SVG", _add_figures),
        ("compact", "merge an output's many small files of rows into a few; sweeps may be running", _add_output),
        ("track", "send an output's rows to an MLflow server: what it lacks of them", _add_track),
        ("datasets", "list the datasets; check one's files, or write a generated one as files", _add_datasets),
        ("models", "list the detectors and what is searched of each; describe one", _add_models),
    ):
        add_arguments(_verb(verbs, name, help))
    return top


def parse(argv: list[str]) -> argparse.Namespace:
    """The words of a command line. Raises InputError; `--help` prints and raises SystemExit."""
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
        near = nearest(name, flags)
        hint = f"Did you mean {near}?" if near else f"See 'defectsweep {known.verb} --help'."
        raise InputError(f"unknown argument {name!r}. {hint}")
    return known


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that the user gave on the command line."""
    return {name: value for name, value in vars(arguments).items() if name in config.options()}


def _verb(verbs, name: str, help: str) -> Parser:
    return verbs.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=_examples(name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _examples(verb: str) -> str | None:
    lines = EXAMPLES.get(verb, "").strip().splitlines()
    return "\n  ".join(["examples:", *lines]) if lines else None


def _verb_parser(top: Parser, verb: str) -> Parser:
    return next(a for a in top._actions if isinstance(a, argparse._SubParsersAction)).choices[verb]


def _add_options(parser: Parser) -> None:
    """Every option defaults to "not given", so that a YAML file can hold it; `--help` shows the real default."""
    parser.usage = f"{parser.prog} [OPTION ...]"
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
                takes_no = field.default and name != "resume"  # --fresh is its opposite
                action = argparse.BooleanOptionalAction if takes_no else "store_true"
                section.add_argument(config.flag(name), action=action, **options)
            else:
                section.add_argument(
                    config.flag(name),
                    metavar=field.metadata["metavar"],
                    action="append" if is_list else "store",
                    **options,
                )


def _add_plan(plan: Parser) -> None:
    _add_options(plan)
    plan.add_argument(
        "--probe", action="store_true", help="measure the models that no row tells of, by a few steps of each"
    )


def _add_output(parser: Parser) -> None:
    parser.add_argument("--output", default="results", metavar="DIR/URI", help="where the rows are (default: results)")


def _add_track(track: Parser) -> None:
    track.add_argument("output", metavar="OUTPUT", help="folder or URI of the rows")
    track.add_argument(
        "server", metavar="mlflow:URI", help="the server, as mlflow:http://HOST:PORT; needs 'defectsweep[track]'"
    )


def _add_leaderboard(board: Parser) -> None:
    _add_output(board)
    what = board.add_mutually_exclusive_group()
    what.add_argument(
        "--by", choices=("job", "category", "model", "defect"), default="job",
        help="what a line is; defect: AUROC of each kind of defects against all good images (default: job)",
    )  # fmt: skip
    what.add_argument("--sql", metavar="QUERY", help="run SQL over the tables leaderboard, trials and scores")
    what.add_argument("--paper", action="store_true", help="set our figures beside the paper's tables 1 and 2")
    board.add_argument("--sort", metavar="COLUMN", help="sort by this column instead of the rank")
    board.add_argument(
        "--max-ms", type=float, metavar="MS", help="rank only detectors that judge a picture in so many milliseconds"
    )
    board.add_argument(
        "--at-fpr", type=float, metavar="X", help="false-positive rate that recall_at_fpr is taken at (default: 0.05)"
    )
    board.add_argument(
        "--at-recall", type=float, metavar="X", help="recall that fpr_at_recall is taken at (default: 0.95)"
    )
    board.add_argument("--format", choices=FORMATS, default="table", help="(default: table)")
    board.add_argument(
        "--watch", type=float, nargs="?", const=5.0, metavar="SECONDS",
        help="print it again as rows come in, and what is under way, until Ctrl-C (default: look every 5 s)",
    )  # fmt: skip


def _add_report(report: Parser) -> None:
    _add_output(report)
    report.add_argument(
        "--to", metavar="FILE", help="where to write (default: OUTPUT/report.html, or report.html for a URI)"
    )


def _add_predict(predict: Parser) -> None:
    predict.add_argument("images", nargs="*", metavar="IMAGES", help="pictures, or folders of them")
    predict.add_argument(
        "--watch", metavar="FOLDER",
        help="instead of IMAGES: judge each picture that arrives in this folder, once, until Ctrl-C; after a kill the "
        "same command goes on",
    )  # fmt: skip
    predict.add_argument(
        "--sort-into", metavar="DIR",
        help="with --watch: bring judged pictures to DIR/good, DIR/defective and DIR/not-judged",
    )  # fmt: skip
    predict.add_argument(
        "--sort-by", choices=("move", "link"), default="move", help="how --sort-into brings them there (default: move)"
    )
    predict.add_argument(
        "--output", default="results", metavar="DIR/URI",
        help="take the detector of the highest validation AUROC from this output (default: results)",
    )  # fmt: skip
    for name in ("dataset", "category", "model", "protocol"):
        predict.add_argument(f"--{name}", metavar="NAME", help=f"of this {name} of the output")
    predict.add_argument(
        "--checkpoint", metavar="DIR/URI", help="take the detector of this folder (OUTPUT/checkpoints/JOB) instead"
    )
    predict.add_argument(
        "--to", default="predictions", metavar="DIR",
        help="where to write, in place of an earlier run's table and heat maps there (default: predictions)",
    )  # fmt: skip
    predict.add_argument(
        "--heat-maps", choices=("all", "defective", "none"),
        help="pictures to draw heat maps of (default: all; with --watch, defective)",
    )  # fmt: skip
    predict.add_argument(
        "--submission", metavar="DIR",
        help="write the maps that MVTec AD 2's evaluation server takes, of pictures of its private test sets",
    )  # fmt: skip
    predict.add_argument(
        "--threshold-at", metavar="WISH",
        help="another threshold than the detector's, by the pictures that chose it: fpr=0.01 (false alarms), "
        "recall=0.99, f1, or cost=ESCAPE:FALSE_ALARM",
    )  # fmt: skip
    predict.add_argument(
        "--export", metavar="FILE",
        help="write the detector as a program of its own, .pt2 (torch.export) or .onnx, for uint8 RGB of the first "
        "picture's size, and check it on these pictures",
    )  # fmt: skip


def _add_serve(serve: Parser) -> None:
    serve.add_argument(
        "--output", default="results", metavar="DIR/URI",
        help="of each category, take the detector of the highest validation AUROC from this output (default: results)",
    )  # fmt: skip
    serve.add_argument(
        "--category", action="append", default=[], metavar="NAME",
        help="serve this category; repeatable (default: all that have a finished job)",
    )  # fmt: skip
    for name in ("dataset", "model", "protocol"):
        serve.add_argument(f"--{name}", metavar="NAME", help=f"of this {name} of the output")
    serve.add_argument(
        "--checkpoint", action="append", default=[], metavar="DIR/URI",
        help="take the detector of this folder (OUTPUT/checkpoints/JOB) instead; repeatable",
    )  # fmt: skip
    serve.add_argument(
        "--threshold-at", metavar="WISH", help="another threshold than the detectors' own, as for 'predict'"
    )
    serve.add_argument(
        "--host", default="localhost", metavar="ADDRESS",
        help="address of this machine to listen at, 0.0.0.0 for all; other than localhost, it needs a token "
        "(default: localhost)",
    )  # fmt: skip
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="0 for any that is free (default: 8000)")
    serve.add_argument(
        "--token", metavar="TEXT",
        help="answer only who sends 'Authorization: Bearer TEXT' (default: what DEFECTSWEEP_TOKEN holds, if it is set)",
    )  # fmt: skip
    serve.add_argument(
        "--replicas", type=int, default=1, metavar="N", help="processes that judge each category (default: 1)"
    )
    serve.add_argument(
        "--address", metavar="ADDRESS",
        help="Ray cluster to join (default: the one this machine belongs to, else a new one here)",
    )  # fmt: skip


def _add_ensemble(ensemble: Parser) -> None:
    _add_output(ensemble)
    ensemble.add_argument("--data-root", metavar="DIR/URI", help="folder or URI of the images, as the run had it")
    for name in ("dataset", "category"):
        ensemble.add_argument(
            f"--{name}", action="append", default=[], metavar="NAME", help=f"only this {name}; repeatable"
        )


def _add_figures(figures: Parser) -> None:
    _add_output(figures)
    figures.add_argument("--to", metavar="DIR", help="where to write (default: OUTPUT/figures, or figures for a URI)")
    for name in ("dataset", "category", "model"):
        figures.add_argument(
            f"--{name}", action="append", default=[], metavar="NAME", help=f"only this {name}; repeatable"
        )


def _add_datasets(data: Parser) -> None:
    data.add_argument(
        "action", nargs="?", choices=("check", "make"), help="check NAME, or make synthetic or synthetic_long"
    )
    data.add_argument("name", nargs="?", help="a dataset of the list")
    data.add_argument("--data-root", metavar="DIR/URI", help="folder or URI of the images")
    data.add_argument("--category", action="append", default=[], metavar="NAME", help="check only this one; repeatable")
    data.add_argument("--normal-folder", metavar="NAME", help="folder of good images of dataset folder, in any case")
    data.add_argument("--protocol", default="holdout", metavar="NAME", help="to split by, or auto (default: holdout)")
    data.add_argument("--folds", type=int, default=FOLDS, metavar="N", help=f"of protocol crossfit (default: {FOLDS})")
    data.add_argument(
        "--montage", metavar="FILE.png", help="draw some good images, and some of each defect with its mask outlined"
    )
    data.add_argument(
        "--size-px", type=int, metavar="N",
        help="check images as a run of this size sees them (default: small); of those that 'make' writes (256)",
    )  # fmt: skip


def _add_models(models: Parser) -> None:
    models.add_argument("name", nargs="?", help="a detector: its sizes and hyper-parameters; anomalib: those of it")
