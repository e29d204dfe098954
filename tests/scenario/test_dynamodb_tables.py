"""Tables created as declared, and compared with what there is: against the stack's DynamoDB API."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from scaling_endpoint import scaling_endpoint

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.tables import DynamoTable, Gsi, Provisioned, Units
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import dynamodb_client, tables
from billio_pipeline.stores.dynamodb.rate import ON_DEMAND_UNITS
from billio_pipeline.stores.objects.aws import aws_client

WHOLE = DynamoTable(
    "main",
    partition=("PK", "S"),
    sort=("SK", "S"),
    indexes=(
        Gsi("GSI1", ("GSI1PK", "S"), ("GSI1SK", "S")),
        Gsi("GSI2", ("GSI2PK", "S"), projects="KEYS_ONLY"),
        Gsi("GSI3", ("PK", "S"), ("created", "N"), projects=("title", "platform")),
    ),
    capacity=Provisioned(Units(5, 5), Units(7, 7)),
    ttl="TTL",
    recovery=True,
    stream="NEW_AND_OLD_IMAGES",
    encryption="KMS",
)


@pytest.fixture
def client(settings: Settings, ministack: str) -> Any:
    return dynamodb_client(replace(settings, dynamodb_endpoint=ministack))


def named(table: DynamoTable) -> DynamoTable:
    return replace(table, name=f"{table.name}-{secrets.token_hex(6)}")


@pytest.fixture
def table(client: Any) -> DynamoTable:
    made = named(WHOLE)
    tables.create(client, made)
    return made


def kinds(client: Any, table: DynamoTable, scaler: Any = None) -> list[tuple[str, str]]:
    return [(each.kind, each.name) for each in tables.drift(client, table, scaler)]


def test_a_table_made_of_a_declaration_is_what_it_declares(client, table):
    assert tables.drift(client, table) == []
    found = tables.describe(client, table.name)
    assert found is not None
    assert found.encryption
    assert set(found.indexes) == set(table.indexes)
    assert replace(found, encryption="KMS", indexes=table.indexes) == table


def test_creating_again_changes_nothing_and_adds_what_a_broken_off_run_left_out(client):
    table = named(WHOLE)
    client.create_table(**tables.definition(table))
    assert kinds(client, table) == [("ttl", table.name), ("recovery", table.name)]
    for _ in range(2):
        tables.create(client, table)
        assert kinds(client, table) == []


@pytest.mark.parametrize(
    ("change", "kind", "expected", "found"),
    [
        ({"sort": ("SK", "N")}, "key", "PK S, SK N", "PK S, SK S"),
        ({"sort": None}, "key", "PK S", "PK S, SK S"),
        ({"capacity": None}, "capacity", "on demand", "read 5, write 7"),
        ({"capacity": Provisioned(Units(5, 5), Units(8, 8))}, "capacity", "read 5, write 8", "read 5, write 7"),
        ({"ttl": "expires"}, "ttl", "expires", "TTL"),
        ({"ttl": None}, "ttl", None, "TTL"),
        ({"recovery": False}, "recovery", "off", "on"),
        ({"stream": "KEYS_ONLY"}, "stream", "KEYS_ONLY", "NEW_AND_OLD_IMAGES"),
        ({"stream": None}, "stream", None, "NEW_AND_OLD_IMAGES"),
    ],
)
def test_a_difference_is_named_with_both_sides(client, table, change, kind, expected, found):
    (drift,) = tables.drift(client, replace(table, **change))
    assert (drift.kind, drift.name, drift.expected, drift.found) == (kind, table.name, expected, found)
    assert kind in str(drift)


def test_a_different_encryption_key_is_told_and_an_alias_is_believed(client, table):
    other = replace(table, encryption="arn:aws:kms:us-east-1:1:key/other")
    assert kinds(client, other) == [("encryption", table.name)]
    assert kinds(client, replace(table, encryption=None)) == [("encryption", table.name)]
    assert kinds(client, replace(table, encryption="alias/mine")) == []


def test_indexes_missing_extra_and_different_are_each_named(client, table):
    first, second, third = table.indexes
    declared = replace(table, indexes=(replace(first, projects="KEYS_ONLY"), second, replace(third, name="GSI4")))
    found = {(each.kind, each.name): (each.expected, each.found) for each in tables.drift(client, declared)}
    assert found == {
        ("different_index", "GSI1"): ("GSI1PK S, GSI1SK S: KEYS_ONLY", "GSI1PK S, GSI1SK S: ALL"),
        ("missing_index", "GSI4"): ("PK S, created N", None),
        ("extra_index", "GSI3"): (None, "PK S, created N: INCLUDE platform, title"),
    }


def test_a_table_that_is_not_there_is_the_one_difference(client):
    table = named(WHOLE)
    assert kinds(client, table) == [("missing_table", table.name)]
    assert tables.describe(client, table.name) is None
    assert tables.live(client, table.name) is None


def test_what_a_table_takes_at_once_is_known_before_the_first_write(client, table):
    assert tables.live(client, table.name).write_units == 7
    on_demand = named(DynamoTable("plain", ("id", "S")))
    tables.create(client, on_demand)
    assert tables.live(client, on_demand.name).write_units == ON_DEMAND_UNITS


@pytest.fixture
def scaled() -> Iterator[tuple[Any, dict[tuple[str, str], Any]]]:
    with scaling_endpoint() as (url, held):
        yield aws_client("application-autoscaling", url, "us-east-1"), held


def test_capacity_with_bounds_is_scaled_in_table_and_indexes_and_compared(client, scaled):
    scaler, held = scaled
    bounds = Provisioned(Units(5, 100), Units(10, 400, target=60))
    table = named(replace(WHOLE, capacity=bounds))
    with pytest.raises(ConfigurationError, match="nothing was given to scale it"):
        tables.create(client, table)
    tables.create(client, table, scaler)
    assert len(held) == 2 * (1 + len(table.indexes))
    write = held[f"table/{table.name}/index/GSI1", "dynamodb:index:WriteCapacityUnits"]
    assert (write["MinCapacity"], write["MaxCapacity"]) == (10, 400)
    assert write["policy"]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 60
    assert tables.describe(client, table.name, scaler).capacity == bounds
    assert kinds(client, table, scaler) == []
    assert kinds(client, table) == [], "within its bounds, as far as can be seen without asking"
    other = replace(table, capacity=replace(bounds, write=Units(10, 800, target=60)))
    (drift,) = tables.drift(client, other, scaler)
    assert drift.expected == "read 5 to 100 at 70 %, write 10 to 800 at 60 %"
    assert drift.found == "read 5 to 100 at 70 %, write 10 to 400 at 60 %"
