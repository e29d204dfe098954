"""A user's record: what names it, what it holds, and which records can't be kept, whichever store is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from billio_pipeline.errors import InputError
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.stores.dynamodb.encode import Wire, encode
from billio_pipeline.stores.dynamodb.size import item_size

USER, KEY, TYPE, ID = "userId", "recordKey", "dataType", "recordId"
DATA, CREATED, UPDATED = "data", "createdAt", "updatedAt"
MEMBERS = (USER, TYPE, ID, DATA, CREATED, UPDATED)  # of a record's JSON, in this order; what else it has follows
_TEXTS = (USER, TYPE, ID, CREATED, UPDATED)

MOST_BYTES = 250  # of a name: a file's name has room for 255 of them, `.json` included
_JSON_ONLY = "Give text, int or Decimal (never float), bool, None, lists and dicts; write money as Decimal('0.10')."
_CORRECT = "Correct it where it is kept, or remove it; nothing was changed."


@dataclass(frozen=True)
class Record:
    """One record. Numbers in `data` and `extra` are int, or Decimal where they have a fraction; times ISO texts.

    `extra` holds what the store keeps beside the application's own attributes, such as `ttl`; writes leave it alone.
    """

    user_id: str
    data_type: str
    record_id: str
    data: Any
    created_at: str
    updated_at: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What names it."""
        return Key(self.user_id, self.data_type, self.record_id)


@dataclass(frozen=True, order=True)
class Key:
    """What names a record; ordered as listings are: by type, then id, both by code point."""

    user_id: str
    data_type: str
    record_id: str

    @property
    def record_key(self) -> str:
        """The table's sort key."""
        return f"{self.data_type}#{self.record_id}"

    @property
    def path(self) -> str:
        """The object's key."""
        return f"users/{self.user_id}/{self.data_type}/{self.record_id}.json"

    def rivals(self) -> Iterator[Key]:
        """Other records of the same `record_key`: `a#b` of type `c` and `b` of type `c#a` share one."""
        whole = self.record_key
        for at in (place for place, letter in enumerate(whole) if letter == "#"):
            rival = Key(self.user_id, whole[:at], whole[at + 1 :])
            if rival != self and not (_unfit(rival.data_type) or _unfit(rival.record_id)):
                yield rival

    def __str__(self) -> str:
        return f"{self.data_type} {self.record_id!r} of user {self.user_id!r}"


def named(user_id: str, data_type: str, record_id: str) -> Key:
    """The key made of these names. Raises InputError for one that no store may keep."""
    return Key(checked(USER, user_id), checked(TYPE, data_type), checked(ID, record_id))


def checked(what: str, name: str) -> str:
    """`name` itself when it can be one step of a path, in a folder as in S3. Raises InputError otherwise."""
    if why := _unfit(name):
        raise InputError(
            f"{what} {name!r} {why}",
            remedy=f"Give 1 to {MOST_BYTES} bytes of text without '/' and control characters, not beginning with '.'.",
        )
    return name


def data_wire(data: object) -> Wire:
    """`data` as a DynamoDB value. Raises InputError for what JSON or DynamoDB doesn't hold exactly, such as a float."""
    try:
        wire = encode(data)
        _require_json(wire)
    except ValueError as error:
        raise InputError(f"data can't be kept exactly: {error}", remedy=_JSON_ONLY) from None
    except RecursionError:
        raise InputError("data is nested far deeper than any store keeps", remedy="Make it flatter.") from None
    return wire


def wire_item(key: Key, data: Wire, created: str, updated: str, extra: Mapping[str, Wire] | None = None) -> Any:
    """The record as a DynamoDB item. Raises InputError when it takes more than 400 KB or is nested too deeply."""
    texts = {USER: key.user_id, KEY: key.record_key, TYPE: key.data_type, ID: key.record_id}
    times = {CREATED: created, UPDATED: updated}
    item = {name: {"S": text} for name, text in (texts | times).items()} | {DATA: data} | dict(extra or {})
    size = item_size(item)
    if isinstance(size, Refusal):
        raise too_large(key, size.message)
    return item


def too_large(key: Key, why: str) -> InputError:
    """The error for a record beyond DynamoDB's limits; the other store keeps to them too, so that all can move."""
    return InputError(f"{key} can't be kept: {why}", remedy="Split the record, or keep its large parts elsewhere.")


def taken(key: Key, rival: Key | None = None) -> InputError:
    """The error for a record whose sort key is another record's."""
    return InputError(
        f"{key} can't be kept: {rival or 'another record'} has the same {KEY}, {key.record_key!r}",
        remedy="Give it another id.",
    )


def record_of(values: Mapping[str, Any], where: str) -> Record:
    """The record of an item's or object's values. Raises InputError, naming `where`, when they are none."""
    wrong = [name for name in _TEXTS if not isinstance(values.get(name), str)]
    if DATA not in values:
        wrong.append(DATA)
    if wrong:
        raise InputError(f"{where} is no record: {', '.join(wrong)} missing or not text", remedy=_CORRECT)
    extra = {name: value for name, value in values.items() if name not in MEMBERS and name != KEY}
    return Record(values[USER], values[TYPE], values[ID], values[DATA], values[CREATED], values[UPDATED], extra)


def contradiction(where: str, record: Record) -> InputError:
    """The error for a record kept under another key than the one its own attributes make."""
    return InputError(f"{where} contradicts itself: it says it is {record.key}", remedy=_CORRECT)


def unreadable(where: str, why: object) -> InputError:
    """The error for an object that is no JSON object, or holds a number that can't be exact."""
    return InputError(f"{where} is no record: {why}", remedy=_CORRECT)


def _unfit(name: object) -> str | None:
    """Why `name` can't be one step of a path, or None."""
    if not isinstance(name, str):
        return "is not text"
    if not name:
        return "is empty"
    if "/" in name or name.startswith("."):
        return "holds a slash" if "/" in name else "begins with a dot"
    if any(letter < " " or "\x7f" <= letter < "\xa0" for letter in name):
        return "holds a control character"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "holds half a surrogate pair"
    return f"takes {size} bytes" if size > MOST_BYTES else None


def _require_json(wire: Wire) -> None:
    ((tag, held),) = wire.items()
    if tag in ("B", "BS", "NS", "SS"):
        raise ValueError(f"{'binary' if tag == 'B' else 'a set'} has no JSON form")
    if tag == "M" and "" in held:
        raise ValueError("a name in it is empty")
    if tag in ("M", "S"):
        "".join(held).encode()  # half a surrogate pair is no text: a ValueError
    for each in held.values() if tag == "M" else held if tag == "L" else ():
        _require_json(each)
