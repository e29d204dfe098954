"""ThriveCalc's records, as objects of its S3 tree and as rows of `user_financial_data`; and back to objects.

One object or table row is one row here: a dict of user_id, data_type, record_id, data and extra (JSON text, canonical,
numbers exact; extra holds the members nobody documented), created_at and updated_at (the times as they are written).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from decimal import Decimal
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.errors import ConfigurationError, InputError
from billio_pipeline.model.canonical import jsonb_text, parse_jsonb
from billio_pipeline.model.numbers import read_number
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.size import Refused
from billio_pipeline.model.types import MAX_TIME, MIN_TIME, Iso8601
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import open_store
from billio_pipeline.stores.objects.store import confined

Row = dict[str, str]

# An object's members in the order the application documents, and the row's column of each.
MEMBERS = {
    "userId": "user_id",
    "dataType": "data_type",
    "recordId": "record_id",
    "data": "data",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
}
_IDS, _TIMES = ("userId", "dataType", "recordId"), ("createdAt", "updatedAt")
_FORM = "users/{userId}/{dataType}/{recordId}.json"
# The item's key has this name and follows from the record: a member of this name would be lost.
_TAKEN = "recordKey"
_ABSENT = object()  # a NULL: other than JSON's null
_PER_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1}


def record_key(user_id: str, data_type: str, record_id: str) -> str:
    """The key of a record's object."""
    return f"users/{user_id}/{data_type}/{record_id}.json"


def record_row(key: str, body: bytes) -> Row | Refusal:
    """The row of one object. `key` is the object's, from `users/` on. Total: any bytes are answered, none repaired."""
    if not key.startswith("users/") or not key.endswith(".json") or key.count("/") < 3 or not _stays(key):
        return Refusal(Reason.KEY_MISMATCH, f"{key[:200]!r} is not a record's path: {_FORM}")
    try:
        record = _parsed(body.decode())
    except UnicodeDecodeError as error:
        return Refusal(Reason.BAD_UTF8, f"byte {error.start + 1} of the object is not UTF-8")
    if isinstance(record, Refusal):
        return record
    row = _row(record)
    if isinstance(row, Refusal) or (own := record_key(row["user_id"], row["data_type"], row["record_id"])) == key:
        return row
    return Refusal(Reason.KEY_MISMATCH, f"the path is {key[:200]!r}, the body says {own[:200]!r}")


def record_bytes(row: Mapping[str, Any]) -> tuple[str, bytes]:
    """The way back: the object's key and its bytes, one for equal rows; members as documented, then others by name.

    As JSON, numbers by value, the bytes equal those the row was read from.
    """
    texts = {name: row[column] if name == "data" else jsonb_text(row[column]) for name, column in MEMBERS.items()}
    extra = parse_jsonb(row["extra"])
    texts |= {name: jsonb_text(extra[name]) for name in sorted(extra)}
    body = "{" + ", ".join(f"{jsonb_text(name)}: {text}" for name, text in texts.items()) + "}"
    return record_key(row["user_id"], row["data_type"], row["record_id"]), body.encode()


def table_rows(data: pa.RecordBatch | pa.Table) -> Iterator[Row | Refusal]:
    """One row or refusal per row of `user_financial_data`, in its order; times as ISO text in UTC, to ms or µs.

    Raises InputError when its columns are not those of the table.
    """
    names = tuple(MEMBERS.values())
    if sorted(data.schema.names) != sorted(names):
        raise InputError(
            f"the table has the columns {', '.join(data.schema.names)}",
            remedy=f"Name the table that holds records: its columns are {', '.join(names)}.",
        )
    for batch in data.to_batches() if isinstance(data, pa.Table) else [data]:
        for values in zip(*(_column(batch, name) for name in names), strict=True):
            record = dict(zip(MEMBERS, values, strict=True))
            refused = next((each for each in values if isinstance(each, Refusal)), None)
            yield refused or _row({name: value for name, value in record.items() if value is not _ABSENT})


def open_table(location: str, settings: Settings) -> Iterator[pa.RecordBatch]:
    """The rows of a table: of Parquet files in a folder or s3:// prefix, or of an Iceberg table's current snapshot.

    An Iceberg table is named by its current metadata (….metadata.json) or as iceberg://catalog/namespace.table: the
    catalog is one of PyIceberg's configuration, or `glue`. Raises InputError for what is neither.
    """
    if location.startswith("iceberg://") or location.endswith(".metadata.json"):
        yield from _iceberg(location, settings)
        return
    store = open_store(location, settings)
    store.check()
    found = sorted(info.key for info in store.list() if info.size and not _hidden(info.key))
    if newest := [key for key in found if key.endswith(".metadata.json")]:
        raise InputError(
            f"{location} is an Iceberg table: some of its files may not belong to it any more",
            remedy=f"Name its current metadata, for example {store.uri}/{newest[-1]}.",
        )
    if not found:
        raise InputError(f"{store.uri} holds no Parquet file", remedy="Check the folder, or the bucket and prefix.")
    for key in found:
        with closing(_seekable(store.open(key))) as stream:
            try:
                yield from pq.ParquetFile(stream).iter_batches()
            except pa.ArrowException as error:
                raise InputError(
                    f"{store.uri}/{key}: {error}", remedy="Name a folder that holds Parquet files only."
                ) from error


def pyiceberg() -> Any:
    """The pyiceberg package, an optional one. Raises ConfigurationError when it isn't installed."""
    try:
        import pyiceberg
    except ImportError as error:
        raise ConfigurationError(
            "Iceberg tables need PyIceberg", remedy="Install it with: pip install 'billio-pipeline[lake]'."
        ) from error
    return pyiceberg


def iceberg_properties(settings: Settings) -> dict[str, str]:
    """How PyIceberg reaches AWS: region and endpoint as set; credentials it finds as boto3 does."""
    endpoint = {"s3.endpoint": settings.s3_endpoint} if settings.s3_endpoint else {}
    return {"client.region": settings.region} | endpoint


def _iceberg(location: str, settings: Settings) -> Iterator[pa.RecordBatch]:
    pyiceberg()
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NoSuchTableError
    from pyiceberg.table import StaticTable

    try:
        if location.startswith("iceberg://"):
            catalog, _, name = location.removeprefix("iceberg://").partition("/")
            kind = {"type": "glue"} if catalog == "glue" else {}
            table: Any = load_catalog(catalog, **kind, **iceberg_properties(settings)).load_table(name)
        else:
            table = StaticTable.from_metadata(location, iceberg_properties(settings))
    except (OSError, ValueError, NoSuchTableError) as error:
        raise InputError(
            f"{location}: {error}", remedy="Check the catalog and the table, or the metadata's path."
        ) from error
    yield from table.scan().to_arrow_batch_reader()


def _seekable(stream: BinaryIO) -> BinaryIO:
    """The stream, or its bytes in a file: a Parquet file is read from its end."""
    if stream.seekable():
        return stream
    spooled = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115  # the caller closes it
    with stream:
        shutil.copyfileobj(stream, spooled, 1 << 20)
    return spooled


def _hidden(key: str) -> bool:
    return any(part.startswith(("_", ".")) for part in key.split("/"))


def _column(batch: pa.RecordBatch, name: str) -> list[Any]:
    """A column's values: text (data: as parsed), _ABSENT for NULL, a Refusal for what can't be one of ours."""
    column = batch.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type) and name.endswith("_at"):
        unit, column = column.type.unit, column.cast(pa.int64())
        return [_ABSENT if each is None else _iso(each, unit, name) for each in column.to_pylist()]
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise InputError(
            f"the column {name} is {column.type}", remedy="Text is read, and timestamps where times stand."
        )
    read = _parsed if name == "data" else str
    return [_ABSENT if each is None else read(each) for each in column.to_pylist()]


def _iso(ticks: int, unit: str, name: str) -> str | Refusal:
    micros, finer = (ticks * _PER_UNIT[unit], 0) if unit in _PER_UNIT else divmod(ticks, 1_000)
    if finer:
        return Refusal(Reason.BAD_TIME, f"{name}: {ticks} ns since 1970 is finer than microseconds")
    if not MIN_TIME <= micros <= MAX_TIME:
        return Refusal(Reason.TIME_OUT_OF_RANGE, f"{name}: {micros} µs since 1970 is outside the years 0001 to 9999")
    return str(Iso8601().write(micros)["S"])


def _row(record: Any) -> Row | Refusal:
    """The row of a parsed record, or why it is none."""
    if not isinstance(record, dict):
        return Refusal(Reason.WRONG_TYPE, "the object is JSON, but not one object with members")
    for name in MEMBERS:
        if name not in record:
            return Refusal(Reason.MISSING_ATTRIBUTE, f"{name}: is missing")
        if name != "data" and not isinstance(record[name], str):
            return Refusal(Reason.WRONG_TYPE, f"{name}: expected text, found {type(record[name]).__name__}")
    for name in _IDS:
        if not record[name]:
            return Refusal(Reason.MISSING_ATTRIBUTE, f"{name}: is empty")
    for name in _TIMES:
        read = Iso8601().read({"S": record[name]})
        if isinstance(read, Refusal):
            return read.at(name)
    if _TAKEN in record:
        return Refusal(Reason.KEY_MISMATCH, f"{_TAKEN}: the item's own key has this name, a record must not")
    if not _stays(own := record_key(*(record[name] for name in _IDS))):
        return Refusal(Reason.KEY_MISMATCH, f"{own[:200]!r} is not a record's path: {_FORM}")
    row = {column: record[name] for name, column in MEMBERS.items()}
    extra = {name: value for name, value in record.items() if name not in MEMBERS}
    return row | {"data": jsonb_text(record["data"]), "extra": jsonb_text(extra)}


def _parsed(text: str) -> Any:
    """The JSON value of `text`, its numbers exact and such as DynamoDB holds, or a Refusal."""
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_number, parse_float=_number
        )
        jsonb_text(value).encode()
    except Refused as refused:
        return refused.refusal
    except RecursionError:
        return Refusal(Reason.OVER_DYNAMODB_LIMIT, "nested far deeper than DynamoDB allows")
    except UnicodeEncodeError as error:
        return Refusal(Reason.LONE_SURROGATE, f"{error.object[:40]!r} holds half a surrogate pair")
    except ValueError as error:
        return Refusal(Reason.NOT_JSON, str(error))
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise Refused(Reason.DUPLICATE_ATTRIBUTE, f"the name {twice[:80]!r} stands twice in one object")
    return value


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _number(text: str) -> Decimal:
    number = read_number(text)
    if isinstance(number, Refusal):
        raise Refused(number.reason, number.message)
    return number


def _stays(key: str) -> bool:
    try:
        confined(key)
    except InputError:
        return False
    return True
