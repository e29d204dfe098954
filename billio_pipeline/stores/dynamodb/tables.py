"""Tables as declared and as they are: created whole, described in the declaration's own words, and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.tables import DynamoTable, Gsi, KeyType, Provisioned, Units
from billio_pipeline.stores.drift import Drift
from billio_pipeline.stores.dynamodb import scaling
from billio_pipeline.stores.dynamodb.rate import ON_DEMAND_UNITS
from billio_pipeline.stores.dynamodb.retry import repeat
from billio_pipeline.stores.objects.aws import explained

DriftKind = Literal[
    "missing_table", "key", "missing_index", "extra_index", "different_index", "capacity", "ttl", "recovery", "stream",
    "encryption",
]  # fmt: skip

_CREATED = {"Delay": 1, "MaxAttempts": 120}
_KMS = "KMS"


@dataclass(frozen=True)
class Live:
    """A table there is. `id` is another one's once the table is dropped and made anew; `write_units` per second are
    what it takes now without refusing any."""

    key: tuple[tuple[str, KeyType], ...]
    id: str
    arn: str
    write_units: float


def create(client: Any, table: DynamoTable, scaler: Any = None) -> None:
    """Create the table with all it declares and wait until it is active. `scaler`: an application-autoscaling client.

    Where the table exists already, only what may be missing after a run that broke off is added: expiry, recovery,
    scaling; what else differs is for `drift` to say. Raises InputError or ConfigurationError when the API refuses.
    """
    if table.capacity and scaling.wanted(table.capacity) and scaler is None:
        raise ConfigurationError(
            f"table {table.name} declares capacity that scales, and nothing was given to scale it",
            remedy="Give an application-autoscaling client, or declare equal bounds.",
        )
    what = f"table {table.name}"
    with explained(what):
        with suppress(client.exceptions.ResourceInUseException):  # it is there
            client.create_table(**definition(table))
        client.get_waiter("table_exists").wait(TableName=table.name, WaiterConfig=_CREATED)
    complete(client, table, scaler)


def complete(client: Any, table: DynamoTable, scaler: Any = None) -> None:
    """Add what a table is given only once it exists: expiry, recovery, scaling. Fine when it has them."""
    what = f"table {table.name}"
    if table.ttl and _ttl(client, table.name) is None:
        expiry = {"Enabled": True, "AttributeName": table.ttl}
        repeat(lambda: client.update_time_to_live(TableName=table.name, TimeToLiveSpecification=expiry), what)
    if table.recovery and not _recovery(client, table.name):
        on = {"PointInTimeRecoveryEnabled": True}
        repeat(
            lambda: client.update_continuous_backups(TableName=table.name, PointInTimeRecoverySpecification=on), what
        )
    if table.capacity and scaler is not None:
        scaling.register(scaler, table, table.capacity)


def definition(table: DynamoTable) -> dict[str, Any]:
    """The table as CreateTable takes it."""
    keys = dict(table.key)
    for index in table.indexes:
        keys |= dict((index.partition, index.sort) if index.sort else (index.partition,))
    whole: dict[str, Any] = {
        "TableName": table.name,
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": tag} for name, tag in keys.items()],
        "KeySchema": _schema(table.partition, table.sort),
        "BillingMode": "PROVISIONED" if table.capacity else "PAY_PER_REQUEST",
    }
    units = {"ProvisionedThroughput": _throughput(table.capacity)} if table.capacity else {}
    if table.indexes:
        whole["GlobalSecondaryIndexes"] = [
            {"IndexName": i.name, "KeySchema": _schema(i.partition, i.sort), "Projection": _projection(i)} | units
            for i in table.indexes
        ]
    if table.stream:
        whole["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": table.stream}
    if table.encryption:
        key = {} if table.encryption == _KMS else {"KMSMasterKeyId": table.encryption}
        whole["SSESpecification"] = {"Enabled": True, "SSEType": "KMS"} | key
    return whole | units


def live(client: Any, name: str) -> Live | None:
    """What who writes to the table must know of it; None when there is none."""
    found = _described(client, name)
    if found is None:
        return None
    partition, sort = _key(found["KeySchema"], _types(found))
    key = (partition, sort) if sort else (partition,)
    return Live(key, found.get("TableId", ""), found["TableArn"], _write_units(found))


def describe(client: Any, name: str, scaler: Any = None) -> DynamoTable | None:
    """The table there is, as it would be declared; None when there is none. Without `scaler` provisioned units are
    shown as they are now."""
    found = _described(client, name)
    if found is None:
        return None
    types = _types(found)
    stream = found.get("StreamSpecification", {})
    encrypted = found.get("SSEDescription", {})
    return DynamoTable(
        name,
        *_key(found["KeySchema"], types),
        tuple(
            Gsi(index["IndexName"], *_key(index["KeySchema"], types), _projected(index["Projection"]))
            for index in (*found.get("GlobalSecondaryIndexes", ()), *found.get("LocalSecondaryIndexes", ()))
        ),
        _capacity(found, scaler),
        _ttl(client, name),
        _recovery(client, name),
        stream.get("StreamViewType") if stream.get("StreamEnabled") else None,
        (encrypted.get("KMSMasterKeyArn") or _KMS) if encrypted.get("Status", "DISABLED") != "DISABLED" else None,
    )


def is_empty(client: Any, name: str) -> bool:
    """Whether the table holds no item, asked by a consistent read."""
    page = repeat(lambda: client.scan(TableName=name, Limit=1, ConsistentRead=True), f"table {name}")
    return not page.get("Items") and not page.get("LastEvaluatedKey")


def drift(client: Any, table: DynamoTable, scaler: Any = None) -> list[Drift]:
    """Every difference between the declared and the live table; none when they agree."""
    found = describe(client, table.name, scaler)
    if found is None:
        return [Drift("missing_table", table.name, table.name, _keys(table), None)]
    return list(_differences(table, found, scaled=scaler is not None))


def _differences(wanted: DynamoTable, found: DynamoTable, scaled: bool) -> Iterator[Drift]:
    def differs(kind: DriftKind, expected: str | None, there: str | None, name: str = wanted.name) -> Drift:
        return Drift(kind, wanted.name, name, expected, there)

    if wanted.key != found.key:
        yield differs("key", _keys(wanted), _keys(found))
    there = {index.name: index for index in found.indexes}
    for index in wanted.indexes:
        other = there.pop(index.name, None)
        if other is None:
            yield differs("missing_index", _keys(index), None, index.name)
        elif _index(index) != _index(other):
            yield differs("different_index", _index(index), _index(other), index.name)
    for other in there.values():
        yield differs("extra_index", None, _index(other), other.name)
    if not scaling.same(wanted.capacity, found.capacity, scaled):
        yield differs("capacity", scaling.text(wanted.capacity), scaling.text(found.capacity))
    if wanted.ttl != found.ttl:
        yield differs("ttl", wanted.ttl, found.ttl)
    if wanted.recovery != found.recovery:
        yield differs("recovery", _on(wanted.recovery), _on(found.recovery))
    if wanted.stream != found.stream:
        yield differs("stream", wanted.stream, found.stream)
    if not _same_key(wanted.encryption, found.encryption):
        yield differs("encryption", wanted.encryption, found.encryption)


def _described(client: Any, name: str) -> Mapping[str, Any] | None:
    def ask() -> Mapping[str, Any] | None:
        try:
            return client.describe_table(TableName=name)["Table"]
        except client.exceptions.ResourceNotFoundException:
            return None

    return repeat(ask, f"table {name}", reached=False)


def _types(found: Mapping[str, Any]) -> dict[str, KeyType]:
    return {each["AttributeName"]: each["AttributeType"] for each in found["AttributeDefinitions"]}


def _same_key(wanted: str | None, found: str | None) -> bool:
    """Whether the key is the declared one. What an alias stands for only KMS knows: any key is taken for it."""
    if wanted is None or found is None:
        return wanted == found
    return wanted in (_KMS, found) or "alias/" in wanted or found.endswith(f"/{wanted}")


def _key(
    schema: list[dict[str, str]], types: Mapping[str, KeyType]
) -> tuple[tuple[str, KeyType], tuple[str, KeyType] | None]:
    names = {part["KeyType"]: part["AttributeName"] for part in schema}
    sort = names.get("RANGE")
    return (names["HASH"], types[names["HASH"]]), (sort, types[sort]) if sort else None


def _schema(partition: tuple[str, KeyType], sort: tuple[str, KeyType] | None) -> list[dict[str, str]]:
    schema = [{"AttributeName": partition[0], "KeyType": "HASH"}]
    return [*schema, {"AttributeName": sort[0], "KeyType": "RANGE"}] if sort else schema


def _projection(index: Gsi) -> dict[str, Any]:
    if isinstance(index.projects, tuple):
        return {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(index.projects)}
    return {"ProjectionType": index.projects}


def _projected(projection: Mapping[str, Any]) -> Any:
    if projection["ProjectionType"] == "INCLUDE":
        return tuple(projection["NonKeyAttributes"])
    return projection["ProjectionType"]


def _throughput(capacity: Provisioned) -> dict[str, int]:
    return {"ReadCapacityUnits": capacity.read.least, "WriteCapacityUnits": capacity.write.least}


def _capacity(found: Mapping[str, Any], scaler: Any) -> Provisioned | None:
    if _on_demand(found):
        return None
    units = found["ProvisionedThroughput"]
    read, write = units["ReadCapacityUnits"], units["WriteCapacityUnits"]
    now = Provisioned(Units(read, read), Units(write, write))
    return now if scaler is None else scaling.registered(scaler, found["TableName"], now)


def _on_demand(found: Mapping[str, Any]) -> bool:
    return found.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST"


def _write_units(found: Mapping[str, Any]) -> float:
    parts = [found, *found.get("GlobalSecondaryIndexes", ())]
    if not _on_demand(found):
        return float(min(part["ProvisionedThroughput"]["WriteCapacityUnits"] for part in parts))
    warm = min(part.get("WarmThroughput", {}).get("WriteUnitsPerSecond") or ON_DEMAND_UNITS for part in parts)
    most = [part.get("OnDemandThroughput", {}).get("MaxWriteRequestUnits", -1) for part in parts]
    return float(min([warm, *(each for each in most if each > 0)]))


def _ttl(client: Any, name: str) -> str | None:
    answer = repeat(lambda: client.describe_time_to_live(TableName=name), f"table {name}")
    found = answer.get("TimeToLiveDescription", {})
    return found.get("AttributeName") if found.get("TimeToLiveStatus") in ("ENABLED", "ENABLING") else None


def _recovery(client: Any, name: str) -> bool:
    answer = repeat(lambda: client.describe_continuous_backups(TableName=name), f"table {name}")
    found = answer.get("ContinuousBackupsDescription", {}).get("PointInTimeRecoveryDescription", {})
    return found.get("PointInTimeRecoveryStatus") == "ENABLED"


def _keys(of: DynamoTable | Gsi) -> str:
    return ", ".join(f"{name} {tag}" for name, tag in ((of.partition, of.sort) if of.sort else (of.partition,)))


def _index(index: Gsi) -> str:
    held = index.projects if isinstance(index.projects, str) else f"INCLUDE {', '.join(sorted(index.projects))}"
    return f"{_keys(index)}: {held}"


def _on(is_on: bool) -> str:
    return "on" if is_on else "off"
