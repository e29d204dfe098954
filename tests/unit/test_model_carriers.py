"""The carrier rule: a declaration that couldn't be reversible is refused when it is imported, and says why."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

import assets
from billio_pipeline.model.entity import Entity, System
from billio_pipeline.model.tables import DynamoTable, SqlTable
from billio_pipeline.model.types import EpochMs, Integer, Iso8601, Text, Uuid
from billio_pipeline.model.words import (  # fmt: skip
    RESERVED,
    DeclarationError,
    Derived,
    Field,
    Rest,
    Rewrite,
    Rule,
    fields,
)

TABLE = SqlTable("things", key="id")
SOURCE = DynamoTable("things", partition=("key", "S"))
LAWFUL = fields(
    Field("id", Uuid()),
    Field("type", Text(50)),
    Field("note", Text(), optional=True),
    Field("image.url", Text(), row="image_url", optional=True),
    Field("count", Integer(), inside="data"),
    Field("at", EpochMs()),
    Rewrite("at", Iso8601() >> EpochMs(), was="data"),
    Rewrite("type", {"Old": "Thing"}, was="data"),
    Rest("data"),
    Derived("key", "{type}:{id}"),
)


def entity(*more, without=(), rules=(), when=None, name="Thing", table=TABLE):
    parts = tuple(part for part in LAWFUL if getattr(part, "attribute", None) not in without)
    return Entity(name, table, {"type": "Thing"} if when is None else when, parts + fields(*more), rules)


def test_a_lawful_declaration_is_accepted():
    made = entity(rules=(Rule.absent("note"),))
    assert [column.name for column in made.columns] == ["id", "type", "note", "image_url", "at", "data"]


ENTITIES = {
    "an attribute with two carriers": (lambda: entity(Field("note", Text(), row="more")), "note has two carriers"),
    "a column with two carriers": (lambda: entity(Field("more", Text(), row="note")), "column note has two carriers"),
    "a field in the Rest's column": (lambda: entity(Field("data", Text())), "column data has two carriers"),
    "no Rest": (lambda: Entity("Thing", TABLE, {}, fields(Field("id", Uuid()))), "0 Rest columns"),
    "two Rests": (lambda: entity(Rest("more")), "2 Rest columns"),
    "inside what is no Rest": (lambda: entity(Field("more", Text(), inside="note")), "not its Rest column"),
    "renamed inside the Rest": (lambda: entity(Field("more", Text(), row="m", inside="data")), "renamed there"),
    "a part of a map inside the Rest": (lambda: entity(Field("a.b", Text(), inside="data")), "inside 'data'"),
    "a map carried whole and in parts": (lambda: entity(Field("image", Text())), "image is carried whole and in parts"),
    "rewriting what nothing carries": (lambda: entity(Rewrite("more", {"a": "b"}, was="data")), "no Field carries it"),
    "rewriting what the Rest carries": (lambda: entity(Rewrite("count", {"a": "b"}, was="data")), "count is rewritten"),
    "rewriting, the original lost": (lambda: entity(Rewrite("note", {"a": "b"}, was="note")), "original of note"),
    "rewriting twice": (lambda: entity(Rewrite("type", {"a": "b"}, was="data")), "type is rewritten twice"),
    "derived and carried": (lambda: entity(Derived("note", "{type}")), "note is derived and carried"),
    "derived, and carried in parts": (lambda: entity(Derived("image", "{type}")), "image is derived and carried"),
    "derived twice": (lambda: entity(Derived("key", "{id}")), "key is derived twice"),
    "derived from what nothing carries": (lambda: entity(Derived("more", "{other}")), "derives from ['other']"),
    "derived from what may be absent": (lambda: entity(Derived("more", "{note}")), "derives from ['note']"),
    "derived from a number": (lambda: entity(Derived("more", "{at}")), "derives from ['at']"),
    "a condition on what nothing carries": (lambda: entity(when={"kind": "Thing"}), "condition reads ['kind']"),
    "a condition on what may be absent": (lambda: entity(when={"note": "Thing"}), "condition reads ['note']"),
    "a condition on what no column holds": (lambda: entity(when={"count": "1"}), "condition reads ['count']"),
    "a rule on no column": (lambda: entity(rules=(Rule.absent("more"),)), "a rule names ['more']"),
    "no key": (lambda: entity(table=SqlTable("things", key="uuid")), "no Field carries the key uuid"),
    "a key that may be absent": (lambda: entity(table=SqlTable("things", key="note")), "key note"),
    "the reserved name carried": (lambda: entity(Field(RESERVED, Text())), "reserved"),
    "the reserved name derived": (lambda: entity(Derived(RESERVED, "x")), "reserved"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), ENTITIES.values(), ids=ENTITIES.keys())
def test_an_unlawful_entity_is_refused_at_import(make, message):
    with pytest.raises(DeclarationError) as caught:
        make()
    assert message in str(caught.value)
    assert str(caught.value).startswith("Thing: "), "the message names the entity"


def system(*entities):
    return System("things", SOURCE, TABLE, entities)


SYSTEMS = {
    "two entities of one name": (lambda: system(entity(), entity(when={"type": "Other"})), "two entities of one name"),
    "two entities of one condition": (lambda: system(entity(), entity(name="Other")), "share a condition"),
    "an entity of another table": (lambda: system(entity(table=replace(TABLE, name="others"))), "table others"),
    "a column of two types": (
        lambda: system(
            entity(), entity(Field("note", Integer(), optional=True), without=("note",), name="B", when={"type": "B"})
        ),
        "column note has two types",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), SYSTEMS.values(), ids=SYSTEMS.keys())
def test_an_unlawful_system_is_refused_at_import(make, message):
    with pytest.raises(DeclarationError) as caught:
        make()
    assert message in str(caught.value)


def test_a_column_some_entity_lacks_may_be_null():
    both = system(entity(), entity(without=("note", "at"), name="Other", when={"type": "Other"}))
    assert {column.name: column.nullable for column in both.columns}["at"] is True


MODELS = sorted(path.parent.name for path in Path(*assets.__path__).glob("*/model.py"))


@pytest.mark.parametrize("name", MODELS)
def test_every_declared_system_is_lawful(name):
    declared = importlib.import_module(f"assets.{name}.model").SYSTEM
    assert declared.name == name
    assert all(entity.columns for entity in declared.entities)
