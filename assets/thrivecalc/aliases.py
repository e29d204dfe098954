"""Who a user id stands for: ThriveCalc's ids went from the provider's (google-oauth2|…) to e-mails to Cognito subs.

Without a map ids stay as they are. Ids are compared as they are written: an e-mail in other letters is another id.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from billio_pipeline.errors import InputError
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.types import Uuid

_FORMS = 'Write JSON, {"old id": "new id", …}, or CSV with the header from,to and one line per id.'


@dataclass(frozen=True)
class Aliases:
    """A map of user ids, every chain of it followed to its end."""

    final: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, user_id: str) -> str:
        """The id that `user_id` stands for; itself when the map doesn't name it."""
        return self.final.get(user_id, user_id)


@dataclass(frozen=True)
class Orphan:
    """An id that is no Cognito sub and leads to none: nobody signs in as it any more. `records` stand under it."""

    user_id: str
    stands_for: str
    records: int


def is_sub(user_id: str) -> bool:
    """Whether the id has the form of a Cognito sub: a lower-case uuid."""
    return not isinstance(Uuid().read({"S": user_id}), Refusal)


def aliases_of(pairs: Iterable[tuple[str, str]]) -> Aliases:
    """The map made of (from, to). Raises InputError when an id leads to two others or, in a circle, to itself."""
    step: dict[str, str] = {}
    for old, new in pairs:
        if not old or not new:
            raise InputError(f"the alias {old!r} → {new!r} names no id", remedy=_FORMS)
        if step.setdefault(old, new) != new:
            raise InputError(f"{old!r} is an alias of {step[old]!r} and of {new!r}", remedy="Keep one of the two.")
    return Aliases({old: _end(old, step) for old in step})


def read_aliases(path: Path) -> Aliases:
    """The map in a JSON or CSV file. Raises InputError when it can't be read or is no map."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the alias map {path} can't be read: {error}", remedy=_FORMS) from error
    pairs = _from_json(text, path) if text.lstrip()[:1] in ("{", "[") else _from_csv(text, path)
    return aliases_of(pairs)


def orphans(records: Mapping[str, int], aliases: Aliases) -> list[Orphan]:
    """Of the user ids with their numbers of records, those that lead to no sub; most records first, then by id."""
    found = [Orphan(user_id, aliases.resolve(user_id), count) for user_id, count in records.items()]
    return sorted(
        (each for each in found if not is_sub(each.stands_for)), key=lambda each: (-each.records, each.user_id)
    )


def _end(user_id: str, step: Mapping[str, str]) -> str:
    passed = [user_id]
    while (user_id := step.get(user_id, user_id)) != passed[-1]:
        if user_id in passed:
            raise InputError(
                f"the aliases lead in a circle: {' → '.join([*passed, user_id])}", remedy="Remove one of these lines."
            )
        passed.append(user_id)
    return user_id


def _from_json(text: str, path: Path) -> list[tuple[str, str]]:
    try:
        pairs = json.loads(text, object_pairs_hook=list)  # a list: the same id may stand there twice
    except (ValueError, RecursionError) as error:
        raise InputError(f"the alias map {path} is not JSON: {error}", remedy=_FORMS) from error
    if not all(isinstance(each, tuple) and isinstance(each[1], str) for each in pairs):
        raise InputError(f"the alias map {path} is not one object of texts", remedy=_FORMS)
    return pairs


def _from_csv(text: str, path: Path) -> list[tuple[str, str]]:
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
    except csv.Error as error:
        raise InputError(f"the alias map {path} is not CSV: {error}", remedy=_FORMS) from error
    if not lines or lines[0] != ["from", "to"] or any(len(line) != 2 for line in lines):
        raise InputError(f"the alias map {path} has not two columns, from and to", remedy=_FORMS)
    return [(old, new) for old, new in lines[1:]]
