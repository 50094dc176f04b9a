"""What `defectsweep plan` says: a table of what is left, and sentences on what it costs. Pure text, which screens
prints."""

from collections.abc import Sequence
from itertools import groupby

from orchestrator.cost import Left, Measured, Pace
from orchestrator.progress import duration

MOST_JOB_LINES = 30  # more jobs than this are shown as one line a model
NOT_MEASURED = "not measured"

Cells = list[list[str]]


def table(lefts: Sequence[Left], measured: Measured | None) -> tuple[list[str], Cells]:
    """Column names and cells: one line a job, or one a model where there are many jobs."""
    paces = measured.paces if measured else {}
    by_model = len(lefts) > MOST_JOB_LINES
    return (_models if by_model else _jobs)(lefts, paces)


def sentences(
    lefts: Sequence[Left], measured: Measured | None, size_px: int, batch: int, slots: int, output: str
) -> list[str]:
    """Totals, then what they take on so many slots and where those times come from."""
    refits, trials = sum(left.refits for left in lefts), sum(left.trials for left in lefts)
    steps, images = sum(left.steps() for left in lefts), sum(left.images() for left in lefts)
    return [
        f"{_count(len(lefts), 'job')}, {len(lefts) - refits} finished; "
        f"left: {_count(trials, 'trial')} and {_count(refits, 'refit')}",
        f"to train, at most: {_count(steps, 'optimisation step')}, {_count(images, 'image')} "
        f"at {size_px} px in batches of at most {batch}",
        *_times(lefts, measured, size_px, slots, output),
    ]


def _times(lefts: Sequence[Left], measured: Measured | None, size_px: int, slots: int, output: str) -> list[str]:
    if measured is None:
        return [f"time: {NOT_MEASURED}, since {output} holds no finished trial of these models at {size_px} px"]
    todo = [left for left in lefts if left.refits]
    unknown = list(dict.fromkeys(left.job.model for left in todo if left.job.model not in measured.paces))
    slot_s = sum(measured.paces[left.job.model].slot_s(left) for left in todo if left.job.model not in unknown)
    where = "on one slot" if slots == 1 else f"on {slots} slots"
    what = "time of what is measured" if unknown else "time"
    lines = [
        f"{what}, at most: {_hours(slot_s * measured.held)} {measured.unit}-hours, {duration(slot_s / slots)} {where}",
        f"by {_count(measured.rows, 'trial row')} of {output} at {size_px} px on {measured.device}, "
        "validation included",
    ]
    if unknown:
        lines.append(f"{NOT_MEASURED} there, so the whole takes longer: {', '.join(unknown)}")
    return lines


def _jobs(lefts: Sequence[Left], paces: dict[str, Pace]) -> tuple[list[str], Cells]:
    """The seed is a column where there are several, the dataset where categories of two have one name."""
    shown = {
        "dataset": [left.job.category.dataset for left in lefts],
        "category": [left.job.category.name for left in lefts],
        "model": [left.job.model for left in lefts],
        "seed": [str(left.job.seed) for left in lefts],
    }
    if len(set(shown["category"])) == len(set(zip(shown["dataset"], shown["category"], strict=True))):
        del shown["dataset"]
    if len(set(shown["seed"])) == 1:
        del shown["seed"]
    cells = [_work([left], paces.get(left.job.model)) for left in lefts]
    for left, line in zip(lefts, cells, strict=True):
        if not left.refits:
            line[0] = "finished"
    lines = [[*names, *line] for *names, line in zip(*shown.values(), cells, strict=True)]
    return [*shown, *WORK], lines


def _models(lefts: Sequence[Left], paces: dict[str, Pace]) -> tuple[list[str], Cells]:
    order = list(dict.fromkeys(left.job.model for left in lefts))
    groups = groupby(sorted(lefts, key=lambda left: order.index(left.job.model)), key=lambda left: left.job.model)
    lines = []
    for model, group in groups:
        own = list(group)
        categories = {(left.job.category.dataset, left.job.category.name) for left in own}
        lines.append([model, str(len(categories)), str(len(own)), *_work(own, paces.get(model))])
    return ["model", "categories", "jobs", *WORK], lines


WORK = ["trials", "steps each", "a step", "at most"]
NUMBERS = {"categories", "jobs", "seed", *WORK}


def _work(lefts: Sequence[Left], pace: Pace | None) -> list[str]:
    """Cells of WORK: trials left, steps of each, the measured time of one, and of all on one slot."""
    steps = [left.job.trial_steps() for left in lefts]
    least_and_most = dict.fromkeys([min(steps), max(steps)])
    cells = [f"{sum(left.trials for left in lefts):,}", "-".join(f"{number:,}" for number in least_and_most)]
    if pace is None:
        return [*cells, "-", NOT_MEASURED]
    step_s = sum(pace.step_s(left.job) for left in lefts) / len(lefts)
    return [*cells, _short(step_s), duration(sum(pace.slot_s(left) for left in lefts))]


def _short(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
