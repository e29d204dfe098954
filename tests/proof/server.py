"""A PostgreSQL of the proof's own: with fsync, unlike the tests'; and one that a row may stop as it likes."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
from servers import TestPostgres

from billio_pipeline.local.guard import guard_database
from billio_pipeline.local.ports import free_port
from billio_pipeline.local.postgres import PostgresServer

# Everything else is PostgreSQL's default: fsync, synchronous_commit and full_page_writes on.
OPTIONS = {"autovacuum": "off"}


@contextmanager
def started(folder: Path, options: Mapping[str, str] | None = None) -> Iterator[TestPostgres]:
    """A server on a data folder below `folder`, with the templates that fresh databases are made from."""
    server = PostgresServer(folder, OPTIONS if options is None else options)
    port = free_port()
    server.start(port)
    try:
        made = TestPostgres(server, port)
        server.ensure_database(port, "template_plain")
        server.ensure_database(port, "template_dsql")
        guard_database(made.admin_dsn("template_dsql"))
        yield made
    finally:
        server.stop()


def stop_immediately(server: PostgresServer) -> None:
    """What `pg_ctl stop -m immediate` does: no checkpoint, no goodbye; the next start recovers from the log."""
    found = server.running()
    assert found is not None
    process = psutil.Process(found[0].pid)
    process.send_signal(signal.SIGQUIT)
    process.wait(30)
