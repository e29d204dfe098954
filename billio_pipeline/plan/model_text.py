"""A choice as the text of a model.py: declarations only, to be read, changed and kept under assets/."""

from __future__ import annotations

from collections import Counter

from billio_pipeline.plan.choose import Choice, ChosenEntity, ChosenField

_WIDTH = 120


def model_text(choice: Choice, name: str, table: str, items: int) -> str:
    """The module. `name` is the system's, `table` the DynamoDB table's, `items` how many it was made from."""
    common, derived = _common(choice)
    lines = [
        f'"""{name}: proposed by `billio plan --new` from all {items:,} items of an export. Read it before it is used.',
        "",
        "A column holds what at least half of an entity's items have, with one type; everything else travels in the",
        f'Rest column `{choice.rest}`, losslessly. What is derived was so in every item."""',
        "",
        *_imports(choice),
        "",
        *_table(choice, table),
        f"ROWS = SqlTable({_text(name)}, key={_text(choice.key)})",
        "",
        "COMMON = fields(",
        *(f"    {_field(each)}," for each in common),
        f"    Rest({_text(choice.rest)}),",
        *(f"    {_derived(each)}," for each in derived),
        ")",
    ]
    for entity in choice.entities:
        lines += ["", *_entity(choice, entity, {*common, *derived})]
    constants = [entity.constant for entity in choice.entities]
    entities = f"({', '.join(constants)}{',' if len(constants) == 1 else ''})"
    lines += ["", *_call("SYSTEM = System(", [_text(name), "TABLE", "ROWS", entities])]
    return "\n".join([*lines, ""])


def _common(choice: Choice) -> tuple[list[ChosenField], list[tuple[str, str]]]:
    """Fields, and what is derived, that all entities have alike."""
    times = Counter(each for entity in choice.entities for each in (*entity.fields, *entity.derived))
    first = choice.entities[0]
    everywhere = len(choice.entities)
    return [e for e in first.fields if times[e] == everywhere], [e for e in first.derived if times[e] == everywhere]


def _imports(choice: Choice) -> list[str]:
    words = {"Field", "Rest"}
    if any(entity.derived for entity in choice.entities):
        words.add("Derived")
    types = sorted({each.type.removesuffix("()") for entity in choice.entities for each in entity.fields})
    return [
        "from billio_pipeline.model.entity import Entity, System",
        "from billio_pipeline.model.tables import DynamoTable, SqlTable",
        f"from billio_pipeline.model.types import {', '.join(types)}",
        f"from billio_pipeline.model.words import {', '.join([*sorted(words), 'fields'])}",
    ]


def _table(choice: Choice, table: str) -> list[str]:
    sort = f", sort=({_text(choice.sort[0])}, {_text(choice.sort[1])})" if choice.sort else ""
    line = f'TABLE = DynamoTable({_text(table)}, partition=({_text(choice.partition)}, "S"){sort})'
    return (
        [line]
        if len(line) <= _WIDTH
        else [line.replace(", partition", ",\n    partition").replace(", sort", ",\n    sort")]
    )


def _field(each: ChosenField) -> str:
    row = f", row={_text(each.column)}" if each.column != each.attribute else ""
    optional = ", optional=True" if each.optional else ""
    return f"Field({_text(each.attribute)}, {each.type}{row}{optional})"


def _derived(each: tuple[str, str]) -> str:
    return f"Derived({_text(each[0])}, {_text(each[1])})"


def _entity(choice: Choice, entity: ChosenEntity, common: set[ChosenField | tuple[str, str]]) -> list[str]:
    own = [_field(each) for each in entity.fields if each not in common]
    own += [_derived(each) for each in entity.derived if each not in common]
    when = f"{{{_text(choice.discriminator)}: {_text(entity.when)}}}" if choice.discriminator and entity.when else "{}"
    head, parts = f"{entity.constant} = Entity(", [_text(entity.name), "ROWS", when]
    made = _call(head, [*parts, "COMMON"])
    if own:
        inner = ["    COMMON", "    + fields(", *(f"        {each}," for each in own), "    ),"]
        made = [head, *(f"    {part}," for part in parts), *inner, ")"]
    return [f"# {entity.items:,} item{'s' if entity.items != 1 else ''}", *made]


def _call(head: str, parts: list[str]) -> list[str]:
    """A call on one line, or on one per argument where that is too long."""
    line = f"{head}{', '.join(parts)})"
    return [line] if len(line) <= _WIDTH else [head, *(f"    {part}," for part in parts), ")"]


def _text(value: str) -> str:
    """A Python string literal in double quotes."""
    quoted = repr(value)
    return quoted if quoted.startswith('"') or '"' in value else f'"{quoted[1:-1]}"'
