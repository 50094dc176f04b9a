"""`leaderboard`: the ranking of an output, once or again and again; or an answer to SQL."""

from orchestrator.cli.outputs import opened
from orchestrator.display import ranking
from orchestrator.errors import InputError
from orchestrator.experiment.config import flag
from orchestrator.ranking.comparison import Wish


def main(asked) -> int:
    """Prints it as asked."""
    if asked.sort and (asked.paper or asked.sql is not None):
        raise InputError("--sort goes with --by; --paper has its own order, and --sql its ORDER BY.")
    for name in ("max_ms", "at_fpr", "at_recall"):
        if getattr(asked, name) is not None and (asked.paper or asked.sql is not None or asked.watch is not None):
            raise InputError(f"{flag(name)} goes with --by and --sort; leave --paper, --sql and --watch out.")
    if asked.watch is not None and (asked.paper or asked.sql is not None or asked.format != "table"):
        raise InputError("--watch shows the ranking as a table; leave --paper, --sql and --format out.")
    with opened(asked.output) as output:
        if asked.watch is not None:
            from orchestrator.display import watch

            return watch.follow(output, asked.watch, asked.by, asked.sort)
        if asked.paper:
            ranking.print_paper(output, asked.format)
        elif asked.sql is not None:
            from orchestrator.ranking import sql

            if not any(output.files_of(table) for table in sql.TABLES):
                raise InputError(
                    f"--output {output.root} holds no rows. 'defectsweep run --output {output.root}' makes some."
                )
            ranking.print_rows(sql.query(asked.sql, output.sources), asked.format)
        else:
            shares = {"fpr": asked.at_fpr, "recall": asked.at_recall}
            wish = Wish(**{name: share for name, share in shares.items() if share is not None})
            ranking.print_leaderboard(output, asked.by, asked.sort, asked.format, most_ms=asked.max_ms, wish=wish)
    return 0
