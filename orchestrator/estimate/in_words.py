"""What is said of time and cost, by `defectsweep plan` and where a run has a time budget: a table of what is left, and
sentences on what it takes and by what that is known. Pure text, which the callers print."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from orchestrator.estimate.outlook import PROBE_S, Outlook
from orchestrator.estimate.pace import Measured, Pace
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Sized, label
from orchestrator.experiment.plan import Left
from orchestrator.words import count, duration

MOST_JOB_LINES = 30  # more jobs than this are shown as one line a model
NOT_MEASURED = "not measured"

Cells = list[list[str]]


def sentences(outlook: Outlook, experiment: Experiment, output: str) -> list[str]:
    """Totals, then what they take and where those times come from."""
    lefts = outlook.lefts
    refits, trials = sum(left.refits for left in lefts), sum(left.trials for left in lefts)
    steps, images = sum(left.steps() for left in lefts), sum(left.images() for left in lefts)
    return [
        f"{_factors(lefts)} = {count(len(lefts), 'job')}, {len(lefts) - refits} finished; "
        f"left: {count(trials, 'trial')} and {count(refits, 'refit')}, of {count(experiment.epochs, 'epoch')} each",
        f"to train, at most: {count(steps, 'optimisation step')}, {count(images, 'image')} "
        f"at {_sizes(experiment.size_px)} in batches of at most {experiment.batch}",
        *_times(outlook),
        *_sources(outlook, output),
        *_untold(outlook, experiment, output),
    ]


def budget(outlook: Outlook, experiment: Experiment, output: str, left_s: float) -> list[str]:
    """What the `left_s` seconds that are left of a time budget will buy."""
    lines = [f"{label(sized, experiment)}: {error}" for sized, error in outlook.failed().items()]
    unknown = [label(sized, experiment) for sized in outlook.unmeasured()]
    left_s = max(left_s, 0.0)
    left = f"time budget: {_time(left_s)} left"
    if not outlook.paces():
        return [*lines, f"{left}; what the whole takes is {NOT_MEASURED}"]
    whole_s = outlook.wall_s()
    whole = f"the whole{' but for ' + ', '.join(unknown) if unknown else ''} takes at most {_time(whole_s)}"
    whole = f"{whole} {_where(outlook)}"
    if whole_s <= left_s:
        lines.append(f"{left}, which is enough: {whole}")
    else:
        least, most = (f"{100 * outlook.share(left_s, early):.0f}" for early in (False, True))
        share = f"about {least} %" if least == most else f"{least} to {most} %, by how many are stopped early,"
        lines.append(f"{left}; {whole}: {share} of the trials will be done before it is time for the refits")
    return [*lines, *_sources(outlook, output), *_too_long(outlook, left_s)]


def _too_long(outlook: Outlook, left_s: float) -> list[str]:
    trials = [(pace.trial_s(left.job), left) for left, pace in outlook.measured() if left.trials]
    trials = [(trial_s, left) for trial_s, left in trials if trial_s > left_s]
    if not trials:
        return []
    longest_s, longest = max(trials, key=lambda trial: trial[0])
    return [
        f"one trial of {_name(longest)} takes {_time(longest_s)}, more than is left: "
        f"{count(len(trials), 'job')} may end with nothing. "
        "Lower --epochs, --steps-per-epoch or --size-px, or raise --time-budget."
    ]


def _times(outlook: Outlook) -> list[str]:
    if not outlook.paces():
        return []
    sums = [f"{_hours(outlook.held_s(source))} {source.unit}-hours" for source in outlook.known if source.paces]
    what = "time of what is measured" if outlook.unmeasured() else "time"
    lines = [f"{what}, at most: {' and '.join(sums)}, {_time(outlook.wall_s())} {_where(outlook)}"]
    chains = [(outlook.chain_s(left, pace), left) for left, pace in outlook.measured()]
    if chains and outlook.place.slots > 1:
        chain_s, longest = max(chains, key=lambda chain: chain[0])
        lines.append(f"on any number of slots: {_time(chain_s)}, as trials of {_name(longest)} wait for one another")
    return lines


def _sources(outlook: Outlook, output: str) -> list[str]:
    return [
        f"by {_source(source, output)} at {_sizes(sized.size_px for sized in source.paces)} on {source.device}, "
        "validation included"
        for source in outlook.known
        if source.paces
    ]


def _source(source: Measured, output: str) -> str:
    if source.rows:
        return f"{count(source.rows, 'trial row')} of {output}"
    models = {sized.model for sized in source.paces}
    return f"a probe of {count(len(models), 'model')} ({_short(source.probe_s)}, with no other slot busy)"


def _untold(outlook: Outlook, experiment: Experiment, output: str) -> list[str]:
    """Of each model whose pace is not known why, or how to measure it."""
    failed = outlook.failed()
    lines = [f"{label(sized, experiment)}: {error}" for sized, error in failed.items()]
    unknown = [label(sized, experiment) for sized in outlook.unmeasured() if sized not in failed]
    add = f"add --probe (about {PROBE_S * len(unknown)} s)"
    if unknown and outlook.paces():
        lines.append(f"{NOT_MEASURED} there, so the whole takes longer: {', '.join(unknown)}; {add}")
    elif unknown:
        lines.append(
            f"time: {NOT_MEASURED}, since {output} holds no finished trial of these models "
            f"at {_sizes(experiment.size_px)}; {add}"
        )
    return lines


def table(outlook: Outlook) -> tuple[list[str], Cells]:
    """Column names and cells: one line a job, or one a model and size where there are many jobs. The memory of a GPU
    is told where it is known."""
    by_model = len(outlook.lefts) > MOST_JOB_LINES
    names, cells = (_models if by_model else _jobs)(outlook.lefts, outlook.paces())
    if all(line[-1] == "-" for line in cells):
        return names[:-1], [line[:-1] for line in cells]
    return names, cells


def _jobs(lefts: Sequence[Left], paces: dict[Sized, Pace]) -> tuple[list[str], Cells]:
    """Size and seed are columns where there are several, the dataset where categories of two have one name."""
    shown = {
        "dataset": [left.job.category.dataset for left in lefts],
        "category": [left.job.category.name for left in lefts],
        "model": [left.job.model for left in lefts],
        "px": [left.job.sized.in_words().replace(" px", "") for left in lefts],
        "seed": [str(left.job.seed) for left in lefts],
    }
    if len(set(shown["category"])) == len(set(zip(shown["dataset"], shown["category"], strict=True))):
        del shown["dataset"]
    for name in ("px", "seed"):
        if len(set(shown[name])) == 1:
            del shown[name]
    cells = [_work([left], paces.get(left.job.sized)) for left in lefts]
    for left, line in zip(lefts, cells, strict=True):
        if not left.refits:
            line[0] = "finished"
    lines = [[*names, *line] for *names, line in zip(*shown.values(), cells, strict=True)]
    return [*shown, *WORK], lines


def _models(lefts: Sequence[Left], paces: dict[Sized, Pace]) -> tuple[list[str], Cells]:
    order = list(dict.fromkeys(left.job.sized for left in lefts))
    groups = groupby(sorted(lefts, key=lambda left: order.index(left.job.sized)), key=lambda left: left.job.sized)
    has_sizes = len({sized.in_words() for sized in order}) > 1
    lines = []
    for sized, group in groups:
        own = list(group)
        categories = {(left.job.category.dataset, left.job.category.name) for left in own}
        name = [sized.model, sized.in_words().replace(" px", "")] if has_sizes else [sized.model]
        lines.append([*name, str(len(categories)), str(len(own)), *_work(own, paces.get(sized))])
    return ["model", *["px"] * has_sizes, "categories", "jobs", *WORK], lines


WORK = ["trials", "steps each", "a step", "at most", "memory"]
NUMBERS = {"px", "categories", "jobs", "seed", *WORK}


def _work(lefts: Sequence[Left], pace: Pace | None) -> list[str]:
    """Cells of WORK: trials left, steps of each, the measured time of one, of all on one slot, and a trial's memory."""
    steps = [left.job.trial_steps() for left in lefts]
    least_and_most = dict.fromkeys([min(steps), max(steps)])
    cells = [f"{sum(left.trials for left in lefts):,}", "-".join(f"{number:,}" for number in least_and_most)]
    if pace is None:
        return [*cells, "-", NOT_MEASURED, "-"]
    step_s = sum(pace.step_s(left.job) for left in lefts) / len(lefts)
    memory = f"{pace.memory_bytes / 2**30:.1f} GiB" if pace.memory_bytes else "-"
    return [*cells, _short(step_s) if step_s else "-", _time(sum(pace.slot_s(left) for left in lefts)), memory]


def _factors(lefts: Sequence[Left]) -> str:
    """The jobs as a product."""
    models, categories, sizes, seeds = (len(set(each)) for each in zip(*map(_whose, lefts), strict=True))
    named = count(categories, "category", "categories")
    sized = f" x {count(sizes, 'size')}" if sizes > 1 else ""
    return f"{count(models, 'model')} x {named}{sized} x {count(seeds, 'seed')}"


def _whose(left: Left) -> tuple[str, tuple[str, str], int, int]:
    return left.job.model, (left.job.category.dataset, left.job.category.name), left.job.size_px, left.job.seed


def _sizes(sizes_px: Iterable[int]) -> str:
    return ", ".join(f"{size_px} px" for size_px in dict.fromkeys(sizes_px))


def _name(left: Left) -> str:
    return f"{left.job.category.name} / {label(left.job.sized, left.job.experiment)}"


def _where(outlook: Outlook) -> str:
    return "on one slot" if outlook.place.slots == 1 else f"on {outlook.place.slots:,} slots"


def _time(seconds: float) -> str:
    return duration(seconds) if seconds < 100 * 3600 else f"{seconds / 86400:,.1f} days"


def _short(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"
