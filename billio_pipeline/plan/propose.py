"""Proposes the model of a table nobody declared, and tries it on the very export: nothing refused, all rebuilt."""

from __future__ import annotations

import logging
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.codec.compile import compile as compiled
from billio_pipeline.codec.wire import parse
from billio_pipeline.errors import ConfigurationError, InputError, TerminalError
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.model.canonical import canonical_item
from billio_pipeline.model.entity import Entity, System
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.tables import DynamoTable, SqlTable
from billio_pipeline.model.types import Text
from billio_pipeline.model.words import Field, Rest
from billio_pipeline.plan.choose import choose
from billio_pipeline.plan.discover import discover
from billio_pipeline.plan.model_text import model_text
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb.source import Source, open_source

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_ROWS = 2_000


class ProposalError(TerminalError):
    """The model proposed for a table doesn't hold for its own export: a defect of ours, and nothing is proposed."""

    code = "bad_proposal"
    remedy = "Report the message; the table can be declared by hand meanwhile, as assets/billio/model.py is."


@dataclass(frozen=True)
class Proposal:
    """A model's text, and how it did on the export: `entities` by name with the items each took."""

    name: str
    text: str
    items: int
    entities: dict[str, int]
    columns: tuple[str, ...]


def propose(
    name: str,
    location: str,
    settings: Settings,
    *,
    key: tuple[str, ...] = (),
    progress: Callable[[int], None] = lambda n: None,
) -> Proposal:
    """Read the export, write a model, load the model and take the export through it.

    Raises ConfigurationError for a name that can't be one, InputError when the export is no table export or the table
    can't be declared (it says why), ProposalError when the model fails its own export.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} can't be a system's name", remedy="Use lower-case letters, digits and _, a letter first."
        )
    source = open_source(location, _nothing(name), settings)
    if source.kind != "export":
        raise InputError(f"{source.uri} is no table export", remedy="Export the table: a backup doesn't show it whole.")
    home = settings.home / "plan" / uuid.uuid4().hex
    try:
        found = discover(source, home, key, progress)
        table = str(source.about.get("table_arn") or "").rpartition("/")[2] or name
        text = model_text(choose(found), name, table, found.items)
        return _tried(name, text, source, replace(settings, home=home), progress)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def write(proposal: Proposal, folder: Path) -> Path:
    """Write `folder`/model.py. Makes the folder; raises ConfigurationError when there is a model already."""
    path = folder / "model.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(proposal.text)
    except FileExistsError:
        raise ConfigurationError(f"{path} is there already", remedy="Give --out another folder.") from None
    except OSError as error:
        raise ConfigurationError(f"can't write {path}: {error}", remedy="Give --out another folder.") from error
    return path


def load(text: str) -> System:
    """The SYSTEM a model's text declares. Raises what importing it would."""
    module: dict[str, Any] = {"__name__": "proposed"}
    exec(compile(text, "model.py", "exec"), module)  # our own text, of literals and declarations
    return module["SYSTEM"]


def _tried(name: str, text: str, source: Source, settings: Settings, progress: Callable[[int], None]) -> Proposal:
    try:
        system = load(text)
    except (TypeError, NameError, SyntaxError) as error:
        raise ProposalError(f"the proposed model can't be imported: {error}") from error
    stage = prepare(source, system, settings, "proposed", progress)
    if refused := pq.read_metadata(stage.quarantine).num_rows:
        first = pq.read_table(stage.quarantine).slice(0, 1).to_pylist()[0]
        raise ProposalError(
            f"the proposed model refuses {refused:,} items; first {first['file']}, line {first['line']}: "
            f"{first['reason']}, {first['message']}"
        )
    _require_reversible(stage, system)
    counts = {entity: each["accepted"] for entity, each in stage.summary["counts"].items()}
    columns = tuple(f"{column.name} {column.sql}" for column in system.columns)
    log.info("proposed", extra={"system": name, "entities": counts})
    return Proposal(name, text, stage.summary["export"]["items"], counts, columns)


def _require_reversible(stage: Stage, system: System) -> None:
    """Raise ProposalError unless every staged row rebuilds the item on its source line."""
    codec = compiled(system)
    for entity in system.entities:
        for path in stage.rows(entity.name):
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_ROWS):
                    for row in _plain(pa.Table.from_batches([batch])).to_pylist():
                        item = parse(row["_source"])
                        rebuilt = canonical_item(codec.to_item(entity, row))
                        if isinstance(item, Refusal) or canonical_item(item) != rebuilt:
                            raise ProposalError(f"the row of line {row['_line']} of {path.stem} rebuilds another item")


def _plain(table: pa.Table) -> pa.Table:
    """Times as the integers a codec takes."""
    for index, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):
            table = table.set_column(index, column.name, table[column.name].cast(pa.int64()))
    return table


def _nothing(name: str) -> System:
    """A system to open the source with, which needs none for a table export."""
    table = SqlTable(name, key="id")
    entity = Entity("Nothing", table, {}, (Field("id", Text()), Rest("data")))
    return System(name, DynamoTable(name, ("id", "S")), table, (entity,))
