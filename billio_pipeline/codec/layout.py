"""A system's declaration laid over a shape: what to ask of every item of a block at once, entity by entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from billio_pipeline.codec.shape import Shape
from billio_pipeline.model.canonical import jsonb_text
from billio_pipeline.model.entity import Entity, System
from billio_pipeline.model.types import LogicalType

Mask = np.ndarray  # per entity: is it so?


@dataclass(frozen=True)
class Place:
    """A declared attribute, or part of a map: where it is in a decoded item, and what entities make of it."""

    path: str
    text: str  # attribute chains
    null: str
    required: Mask
    forbidden: Mask  # the exact path sees to it: a rule forbids it, or it is another entity's
    types: dict[LogicalType, Mask]
    quoted: bool  # its text in the document is a string, not a number
    nullable: bool  # some entity lets it be NULL, which stays in the document
    inside: Mask  # it lives in the document


@dataclass(frozen=True)
class Whole:
    """A declared map: its chains, what stands for none, where the exact path sees to it, its members in order."""

    held: str
    null: str
    none: Any
    forbidden: Mask
    members: list[Part]


@dataclass(frozen=True)
class Part:
    """One name of the document, or of a map in it: a declared place, a raw attribute (its chain) or a map."""

    prefix: bytes
    at: Place | str | Whole


class Layout:
    """What `FastPath` goes by. `kinds` are the entities it can do, by their discriminator's text."""

    def __init__(self, system: System, shape: Shape, discriminator: str) -> None:
        own = [{each.attribute: each for each in entity.fields} for entity in system.entities]
        derived = [{each.attribute: each.template for each in entity.derived} for entity in system.entities]
        self.places = {path: _place(path, shape, system, own, derived) for path in shape.tags}
        self.derived = [
            (name, template, _mask(each.get(name) == template for each in derived))
            for name in shape.tags
            for template in sorted({each[name] for each in derived if name in each})
        ]
        maps = {name: _whole(name, shape, self.places, own) for name in shape.maps}
        parts = {name: Part(_prefix(name), field) for name, field in shape.rest.items()}
        parts |= {name: Part(_prefix(name), whole) for name, whole in maps.items()}
        shown = {path: each for path, each in self.places.items() if each.inside.any() or each.nullable}
        parts |= {path: Part(_prefix(path), each) for path, each in shown.items() if "." not in path}
        self.document = _in_order(parts)
        members = [part.at for whole in maps.values() for part in whole.members if isinstance(part.at, str)]
        self.chains = [place.text for place in self.places.values()]
        self.chains += [*shape.rest.values(), *members, *[whole.held for whole in maps.values()]]
        self.get = attrgetter(*self.chains)
        self.kinds = {
            entity.when[discriminator]: index
            for index, entity in enumerate(system.entities)
            if _possible(entity, shape) and system.source.partition[0] in shape.tags
        }


def _whole(name: str, shape: Shape, places: dict[str, Place], own: list[dict[str, Any]]) -> Whole:
    at = shape.maps[name]
    members = {n: Part(_prefix(n), f"{at.field}.M.{field}") for n, field in at.members.items()}
    paths = [path for path in places if path.startswith(f"{name}.")]
    members |= {
        path.removeprefix(f"{name}."): Part(_prefix(path.removeprefix(f"{name}.")), places[path]) for path in paths
    }
    forbidden = _mask(any(path not in each for path in paths) for each in own)
    return Whole(f"{at.field}.M", f"{at.field}.NULL", at.none, forbidden, _in_order(members))


def _place(path: str, shape: Shape, system: System, own: list[dict[str, Any]], derived: list[dict[str, str]]) -> Place:
    fields = [each.get(path) for each in own]
    absent = [{rule.column for rule in entity.rules if rule.kind == "absent"} for entity in system.entities]
    chain, tag = shape.typed[path], shape.tags[path]
    return Place(
        path,
        f"{chain}.{tag}",
        f"{chain}.NULL",
        required=_mask(f is not None and not f.optional for f in fields),
        forbidden=_mask(
            (f is None and path not in d) or (f is not None and f.column in a)
            for f, d, a in zip(fields, derived, absent, strict=True)
        ),
        types={t: _mask(f is not None and f.type == t for f in fields) for t in {f.type for f in fields if f}},
        quoted=tag == "S",
        nullable=any(f is not None and f.optional for f in fields),
        inside=_mask(f is not None and f.inside is not None for f in fields),
    )


def _possible(entity: Entity, shape: Shape) -> bool:
    """Whether there is a place for all it declares, the parts of a map may be absent, and nothing is rewritten here."""
    placed = all(f.attribute in shape.tags and (f.optional or len(f.path) == 1) for f in entity.fields)
    tags = {name: shape.tags.get(name) for name in entity.rewrites}
    return (
        placed
        and all(each.attribute in shape.tags for each in entity.derived)
        and all(
            # Another text for the discriminator is no text of a `when`, another type does not fit the shape.
            (entity.when.get(name, each) not in each.using and name in entity.when)
            if isinstance(each.using, Mapping)
            else each.using.found.tag != tags[name]
            for name, each in entity.rewrites.items()
        )
    )


def _mask(values: Any) -> Mask:
    return np.array(list(values), bool)


def _in_order(parts: dict[str, Part]) -> list[Part]:
    return [parts[name] for name in sorted(parts, key=lambda name: (len(name.encode()), name.encode()))]


def _prefix(name: str) -> bytes:
    return jsonb_text(name).encode() + b": "
