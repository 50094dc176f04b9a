"""SQL over an output's rows, by DuckDB, without access to anything else."""

import functools
from collections.abc import Callable, Sequence

import duckdb
import pandas as pd
import pyarrow as pa
from pyarrow.dataset import Dataset

from orchestrator.errors import InputError

TABLES = ("leaderboard", "trials", "scores")  # of `query`
CONFINED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",
}
READ_ONLY = (
    "SET python_enable_replacements = false",  # or a variable of ours would be a table
    "SET lock_configuration = true",
    "BEGIN TRANSACTION READ ONLY",
)


def query(sql: str, sources: Callable[[str], Sequence[pa.Table | Dataset]]) -> pd.DataFrame:
    """Runs one SELECT over TABLES: each is what its `sources` hold together, and only those that the text names are
    asked for. Raises InputError with DuckDB's reason."""
    named = [table for table in TABLES if table in sql.lower()]
    try:
        statement = _single(sql)
        with duckdb.connect(config=CONFINED) as connection:
            for table in named or TABLES:
                _show(connection, table, sources(table))
            for setting in READ_ONLY:
                connection.execute(setting)
            return connection.execute(statement).df()
    except duckdb.Error as error:
        raise InputError(f"--sql: {str(error).splitlines()[0]} (tables: {', '.join(TABLES)})") from None


def _show(connection: duckdb.DuckDBPyConnection, table: str, sources: Sequence[pa.Table | Dataset]) -> None:
    """Gives `connection` a view of all sources together."""
    parts = [connection.from_arrow(source) for source in sources]
    functools.reduce(duckdb.DuckDBPyRelation.union, parts).create_view(table)


def _single(sql: str) -> duckdb.Statement:
    """The one query of a text: SELECT, with which DESCRIBE, SHOW and SUMMARIZE count, or EXPLAIN."""
    statements = duckdb.extract_statements(sql)
    if not statements:
        raise InputError(f"--sql {sql!r} holds no query; try 'SELECT * FROM leaderboard'.")
    kinds = [statement.type.name for statement in statements]
    if len(kinds) > 1 or kinds[0] not in ("SELECT", "EXPLAIN"):
        raise InputError(f"--sql holds {' and '.join(kinds)}; one SELECT is expected. Nothing was run.")
    return statements[0]
