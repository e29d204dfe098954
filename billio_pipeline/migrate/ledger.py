"""The ledger: the table in the target that lists committed batches, written in each batch's own transaction."""

from __future__ import annotations

from psycopg import Connection

from billio_pipeline.migrate.batch import Batch
from billio_pipeline.stores.retry import Retries
from billio_pipeline.stores.sql.retry import repeat
from billio_pipeline.stores.sql.target import Target

_INSERT = """
    INSERT INTO _billio_ledger (batch_id, export_id, entity, file, first_line, rows, content_hash)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (batch_id) DO NOTHING
"""


def record(connection: Connection, batch: Batch) -> None:
    """List the batch. Part of the transaction that commits its rows."""
    values = (batch.id, batch.export_id, batch.entity, batch.file, batch.first_line, batch.rows.num_rows)
    connection.execute(_INSERT, (*values, batch.content_hash))


def holds(connection: Connection, batch: Batch) -> bool:
    """Whether the batch was committed: what to ask when the answer to a COMMIT was lost."""
    found = connection.execute("SELECT 1 FROM _billio_ledger WHERE batch_id = %s", (batch.id,)).fetchone()
    return found is not None


def committed(target: Target, export_id: str, entity: str) -> set[str]:
    """Ids of an export's committed batches. A hint: a batch is skipped only if its rows are there."""

    def ask() -> set[str]:
        with target.connection() as connection:
            rows = connection.execute(
                "SELECT batch_id FROM _billio_ledger WHERE export_id = %s AND entity = %s", (export_id, entity)
            ).fetchall()
        return {batch_id for (batch_id,) in rows}

    return repeat(ask, retries=Retries(), what=target.name)
