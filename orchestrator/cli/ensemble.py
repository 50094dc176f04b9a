"""`ensemble`: the best detectors of each category judge together, and are ranked beside those that judge alone."""

import torch

from datasets.images import Images
from model.catalog import ENSEMBLE
from orchestrator.cli.outputs import opened
from orchestrator.display import ranking
from orchestrator.errors import InputError
from orchestrator.experiment import preflight
from orchestrator.experiment.config import Execution
from orchestrator.experiment.job import Decoding
from orchestrator.results.output import Output
from orchestrator.training import ensembles, refit
from orchestrator.training.ensembles import Team
from orchestrator.words import count, printable


def main(asked) -> int:
    """Makes and measures them, prints the ranking."""
    with opened(asked.output) as output:
        teams = [team for team in ensembles.teams(output.jobs()) if _is_asked_for(team, asked)]
        if not teams:
            raise InputError(
                f"--output {output.root} holds no two finished detectors of one run that may judge together: of one "
                "category, size and seed, and not of protocol crossfit, which leaves no image to measure them on. "
                f"'defectsweep run --output {output.root}' makes some."
            )
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        decoded: dict[Decoding, Images] = {}
        made = sum(_make(team, output, asked.data_root, device, decoded) for team in teams)
        ranking.print_leaderboard(output)
        if made:
            where = printable(output.root)
            print(f"\n{count(made, ENSEMBLE)} · rows in {where} · 'predict --model {ENSEMBLE}' judges by one")
    return 0


def _is_asked_for(team: Team, asked) -> bool:
    return all(not names or getattr(team.best, name) in names
               for name, names in (("dataset", asked.dataset), ("category", asked.category)))  # fmt: skip


def _make(
    team: Team, output: Output, data_root: str | None, device: torch.device, decoded: dict[Decoding, Images]
) -> bool:
    """Keeps the ensemble of a team, and says what it is made of. Whether there is one. `decoded` holds the images of
    the team before, which often are the same."""
    best = team.best
    category = preflight.scanned(best.dataset, best.category, data_root, ensembles.normal_folder(team))
    job = ensembles.job_of(team, category)
    execution = Execution(data_root=data_root, skip_unreadable=bool(best.unreadable_images))
    if job.decoding not in decoded:
        decoded.clear()
        decoded |= preflight.decode([job.decoding], job.experiment, execution)
    made = ensembles.of_team(team, job, decoded[job.decoding], output, device)
    where = f"{best.category} / seed {best.seed}"
    if made is None:
        print(printable(f"{where}: no ensemble, as {best.model} validates clearly best"))
        return False
    refitted = refit.with_checkpoint(*made)
    refit.keep(output, refitted)
    print(printable(f"{where}: {refitted.row.note}; test AUROC {refitted.row.test_auc:.3f}, {best.model} alone "
                    f"{best.test_auc:.3f}"))  # fmt: skip
    return True
