"""The update that makes one item of another, while nothing it depends on has changed: index keys never go stale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billio_pipeline.errors import InputError
from billio_pipeline.model.canonical import canonical_value
from billio_pipeline.model.entity import Entity
from billio_pipeline.stores.dynamodb.client_form import Item, for_client


def update_of(entity: Entity, old: Item, new: Item) -> dict[str, Any] | None:
    """UpdateItem's expressions; None when nothing differs. The key stays as it is.

    The condition: what changes, and all that derived attributes are made of, is still as in `old`.
    """
    names = sorted((old.keys() | new.keys()) - {"PK", "SK"})
    changed = [name for name in names if not _equal(old, new, name)]
    if not changed:
        return None
    read = {each for derived in entity.derived for each in (*derived.inputs, *derived.when)}
    guards = [name for name in names if name in changed or name in read]
    place = {name: f"n{number}" for number, name in enumerate(guards)}
    put = [name for name in changed if name in new]
    gone = [name for name in changed if name not in new]
    parts = ["SET " + ", ".join(f"#{place[n]} = :{place[n]}" for n in put)] if put else []
    parts += ["REMOVE " + ", ".join(f"#{place[n]}" for n in gone)] if gone else []
    held = [f"#{place[n]} = :o{place[n]}" if n in old else f"attribute_not_exists(#{place[n]})" for n in guards]
    values = {f":{place[n]}": new[n] for n in put} | {f":o{place[n]}": old[n] for n in guards if n in old}
    return {
        "UpdateExpression": " ".join(parts),
        "ConditionExpression": " AND ".join(["attribute_exists(PK)", *held]),
        "ExpressionAttributeNames": {f"#{place[n]}": n for n in guards},
        "ExpressionAttributeValues": for_client(values),
    }


def _equal(old: Item, new: Item, name: str) -> bool:
    if name not in old or name not in new:
        return False
    return canonical_value(old[name]) == canonical_value(new[name])


def check_columns(columns: Mapping[str, Any], allowed: Mapping[str, Any]) -> None:
    """Raise InputError for columns a writer may not give."""
    if strange := sorted(columns.keys() - allowed.keys()):
        raise InputError(f"{', '.join(strange)} can't be given", remedy=f"Give any of: {', '.join(allowed)}.")
