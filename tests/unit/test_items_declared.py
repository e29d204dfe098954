"""The carrier rule where rows are the source: a declaration some item or column would suffer under is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from billio_pipeline.model.entity import Entity, RowSystem
from billio_pipeline.model.scalars import Boolean, IdText, IsoMicros, Json
from billio_pipeline.model.tables import DynamoTable, Gsi, SqlTable
from billio_pipeline.model.types import Integer, Text
from billio_pipeline.model.words import (  # fmt: skip
    ABSENT,
    PRESENT,
    DeclarationError,
    Derived,
    Expires,
    Field,
    Lookup,
    Part,
    Rest,
    Rewrite,
    Rule,
    fields,
)

ITEMS = DynamoTable("toys", ("PK", "S"), ("at", "N"), indexes=(Gsi("by_name", ("name_key", "S")),), ttl="TTL")
MAKER = Entity(
    "Maker",
    SqlTable("makers", key="id"),
    {"kind": "Maker"},
    fields(
        Field("id", IdText()), Field("title", Text()), Field("note", Text(), optional=True),
        Derived("kind", "Maker"), Derived("PK", "MAKER#{id}"), Derived("at", "0", type="N"),
    ),
    items=ITEMS,
)  # fmt: skip
LAWFUL = fields(
    Field("id", IdText()),
    Field("maker_id", IdText(), optional=True),
    Field("at", Integer()),
    Field("made", IsoMicros()),
    Field("name", Text(), optional=True),
    Field("sold", Boolean()),
    Field("parts", Json()),
    Lookup("maker", MAKER, by="maker_id"),
    Derived("kind", "Toy"),
    Derived("PK", "MAKER#{maker.title}", {"maker": PRESENT}),
    Derived("PK", "TOY#{id}#{sold}#{at}"),
    Derived("name_key", "{name|lower}", {"name": PRESENT}),
    Derived("TTL", "{made|epoch_s|+7d}", type="N"),
    Expires("made", days=7, archived_days=5),
)
UNENDING = tuple(part for part in LAWFUL if not isinstance(part, Expires))


def entity(*more: Part, without: tuple[str, ...] = (), **changes: Any) -> Entity:
    parts = tuple(part for part in LAWFUL if getattr(part, "attribute", None) not in without)
    whole: dict[str, Any] = {"table": SqlTable("toys", key="id"), "when": {"kind": "Toy"}, "items": ITEMS} | changes
    return Entity("Toy", parts=parts + more, **whole)


def test_a_lawful_declaration_is_accepted() -> None:
    made = entity(rules=(Rule.absent("name"),))
    assert [column.name for column in made.columns] == ["id", "maker_id", "at", "made", "name", "sold", "parts"]
    assert made.expires is not None
    assert [each.name for each in made.lookups] == ["maker"]


def test_a_rest_may_be_there_and_need_not() -> None:
    assert entity(Rest("more")).columns[-1].name == "more"
    assert not entity().has_rest


ENTITIES: dict[str, tuple[Callable[[], object], str]] = {
    "an attribute with two carriers": (lambda: entity(Field("name", Text(), row="more")), "name has two carriers"),
    "a column with two carriers": (lambda: entity(Field("more", Text(), row="name")), "column name has two carriers"),
    "two Rests": (lambda: entity(Rest("one"), Rest("two")), "2 Rest columns"),
    "a field inside no Rest": (lambda: entity(Field("more", Text(), inside="rest")), "which is not its Rest column"),
    "no key of the source": (lambda: entity(table=SqlTable("toys", key="uuid")), "no Field carries the key uuid"),
    "a key of the source that may be NULL": (lambda: entity(table=SqlTable("toys", key="name")), "may be absent"),
    "a rule on no column": (lambda: entity(rules=(Rule.absent("more"),)), "a rule names ['more']"),
    "derived and carried": (lambda: entity(Derived("name", "x")), "name is derived and carried"),
    "rewriting what goes to items": (
        lambda: entity(Rewrite("name", {"a": "b"}, was="rest")),
        "name is rewritten, which is for items",
    ),
    "no partition key": (lambda: entity(without=("PK",)), "nothing gives every item its key PK"),
    "no sort key": (lambda: entity(Field("x", Integer()), without=("at", "PK")), "nothing gives every item its key"),
    "a partition key for some items only": (
        lambda: entity(Derived("PK", "{id}", {"name": PRESENT}), without=("PK",)),
        "nothing gives every item its key PK",
    ),
    "a sort key that may be NULL": (
        lambda: entity(Field("at", Integer(), optional=True), Derived("PK", "{id}"), without=("at", "PK")),
        "nothing gives every item its key at",
    ),
    "a key of another type": (
        lambda: entity(Derived("PK", "{id}", type="N"), without=("PK",)),
        "PK is N, and toys takes S",
    ),
    "a carried key of another type": (
        lambda: entity(Field("at", Text()), Derived("PK", "{id}"), without=("at", "PK")),
        "at is S, and toys takes N",
    ),
    "an index's key of another type": (
        lambda: entity(Derived("name_key", "{at}", type="N"), without=("name_key",)),
        "name_key is N, and toys takes S",
    ),
    "an expiry that is text": (
        lambda: entity(Derived("TTL", "{made|epoch_s}"), without=("TTL",)),
        "TTL is S, and toys takes N",
    ),
    "an unguarded optional": (
        lambda: entity(Derived("more", "{name}")),
        "more derives from name, which some item may lack",
    ),
    "an optional guarded by its absence": (
        lambda: entity(Derived("more", "{name}", {"name": ABSENT})),
        "derives from name, which some item may lack",
    ),
    "an optional guarded by another": (
        lambda: entity(Derived("more", "{name}", {"maker_id": PRESENT})),
        "derives from name, which some item may lack",
    ),
    "what nothing carries": (
        lambda: entity(Derived("more", "{other}")),
        "derives from other, which some item may lack",
    ),
    "what is derived itself": (lambda: entity(Derived("more", "{PK}")), "derives from PK, which some item may lack"),
    "a part of a map": (
        lambda: entity(Field("a.b", Text(), row="ab"), Derived("more", "{a.b}")),
        "derives from a.b, which some item may lack",
    ),
    "a document": (lambda: entity(Derived("more", "{parts}")), "more derives from parts, which has no text"),
    "a lookup that may find none": (
        lambda: entity(Derived("more", "{maker.title}")),
        "derives from maker.title, which some item may lack",
    ),
    "what the row looked up may lack": (
        lambda: entity(Derived("more", "{maker.note}", {"maker": PRESENT})),
        "derives from maker.note, which some item may lack",
    ),
    "what the row looked up has not": (
        lambda: entity(Derived("more", "{maker.nick}", {"maker": PRESENT})),
        "derives from maker.nick, which some item may lack",
    ),
    "a format there is not": (lambda: entity(Derived("more", "{id|upper}")), "no format is called 'upper'"),
    "a lookup without its column": (
        lambda: entity(Lookup("other", MAKER, by="other_id")),
        "other is looked up by other_id, which no Field carries",
    ),
    "two lookups of one name": (lambda: entity(Lookup("maker", MAKER, by="id")), "a name of its lookups maker"),
    "a lookup named like an attribute": (
        lambda: entity(Lookup("name", MAKER, by="id")),
        "a name of its lookups maker, name is taken",
    ),
    "a condition on what nothing gives": (
        lambda: entity(Derived("more", "x", {"nmae": PRESENT})),
        "more depends on ['nmae'], which nothing gives",
    ),
    "an entity told by what nothing gives": (lambda: entity(when={"type": "Toy"}), "condition reads ['type']"),
    "an expiry by no column": (
        lambda: Entity("Toy", SqlTable("toys", key="id"), {}, (*UNENDING, Expires("sold_at", 7, 5)), items=ITEMS),
        "it expires by sold_at, which no Field carries",
    ),
    "versions told by what nothing carries": (lambda: entity(newer_by="changed"), "versions are told by changed"),
}


@pytest.mark.parametrize(("make", "message"), ENTITIES.values(), ids=ENTITIES.keys())
def test_an_unlawful_entity_is_refused_at_import(make: Callable[[], object], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        make()
    assert message in str(caught.value)
    assert message.startswith("no format") or str(caught.value).startswith("Toy: "), "the message names the entity"


def test_a_guarded_optional_and_a_sure_lookup_are_accepted() -> None:
    sure = (Field("maker_id", IdText()), *(part for part in LAWFUL if getattr(part, "attribute", "") != "maker_id"))
    Entity("Toy", SqlTable("toys", key="id"), {}, sure + fields(Derived("more", "{maker.title}")), items=ITEMS)
    entity(Derived("more", "{name}", {"name": "only this"}))
    entity(Derived("more", "{maker.title}", {"maker": PRESENT, "sold": True}))


SYSTEMS: dict[str, tuple[Callable[[], object], str]] = {
    "two entities of one name": (
        lambda: RowSystem("toys", (MAKER, replace(MAKER, when={}))),
        "two entities of one name",
    ),
    "two entities of one condition": (
        lambda: RowSystem("toys", (MAKER, replace(MAKER, name="Other"))),
        "two entities share a condition",
    ),
    "an entity without a home": (
        lambda: RowSystem("toys", (replace(MAKER, items=None, when={}, parts=(Field("id", IdText()), Rest("more"))),)),
        "Maker name no table for their items",
    ),
}


@pytest.mark.parametrize(("make", "message"), SYSTEMS.values(), ids=SYSTEMS.keys())
def test_an_unlawful_system_is_refused_at_import(make: Callable[[], object], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        make()
    assert message in str(caught.value)


def test_a_systems_tables_are_named_once_each_with_the_entities_in_them() -> None:
    other = replace(entity(), items=replace(ITEMS, name="others"))
    system = RowSystem("toys", (MAKER, other, replace(entity(), name="Third", when={"kind": "Third"})))
    assert [table.name for table in system.tables] == ["toys", "others"]
    assert [each.name for each in system.within(ITEMS)] == ["Maker", "Third"]
