"""What a report is made of: plain values, most of them the JSON that `billio migrate` prints. Decides nothing.

Counts are per entity, as everywhere here: source = loaded + missing + quarantined + excluded; `different` are among
the loaded; `extra` are keys in the target that no source item has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Plain = Any  # str, int, float, bool, None, bytes, Decimal, datetime, and lists and dicts of these


@dataclass(frozen=True)
class Counts:
    """One entity's items, by what became of them."""

    source: int = 0
    loaded: int = 0
    missing: int = 0
    quarantined: int = 0
    excluded: int = 0
    extra: int = 0
    different: int = 0

    @property
    def accounted(self) -> int:
        """What `source` must be equal to."""
        return self.loaded + self.missing + self.quarantined + self.excluded

    @property
    def target(self) -> int:
        """Rows in the target, as far as this run added none of its own."""
        return self.loaded + self.extra

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class ExportSeen:
    """The export that was read. `about` holds what its manifest says of itself: table arn, export time, status."""

    path: str
    items: int
    files: int
    bytes: int
    about: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckSeen:
    """One check evaluation."""

    asset: str
    check: str
    passed: bool
    severity: Literal["ERROR", "WARN"]
    metadata: Mapping[str, Plain] = field(default_factory=dict)

    @property
    def failed_error(self) -> bool:
        return not self.passed and self.severity == "ERROR"


@dataclass(frozen=True)
class Difference:
    """One value that is not the same on both sides.

    A row on one side only has `column` None, and None on the side that lacks it (missing: target; extra: source).
    """

    entity: str
    key: str
    column: str | None
    source: Plain
    target: Plain


@dataclass(frozen=True)
class Refused:
    """One quarantined line; `original` is the line as the file holds it."""

    reason: str
    message: str
    entity: str | None
    key: str | None
    file: str
    line: int | None
    original: str | bytes


@dataclass(frozen=True)
class Spot:
    """One item and its row: `source` in DynamoDB's wire form (attribute → {"S": …}), `row` by column or None."""

    entity: str
    key: str
    source: Mapping[str, Plain]
    row: Mapping[str, Plain] | None


@dataclass(frozen=True)
class RunReport:
    """One run, for one page. `error` is what stopped it; `expected` names checks it had to evaluate.

    `seconds` are wall seconds per stage in the order they ran; `started` and `finished` are texts, in UTC.
    """

    system: str
    export: ExportSeen
    entities: Mapping[str, Counts]
    reasons: Mapping[str, int]
    quarantine_path: str | None
    differences: Sequence[Difference]
    differences_path: str | None
    checks: Sequence[CheckSeen]
    seconds: Mapping[str, float]
    command: str = ""
    target: str = ""
    profile: str = ""
    policy: str = ""
    run_id: str = ""
    started: str = ""
    finished: str = ""
    allow_quarantine: bool = False
    error: str = ""
    expected: Sequence[str] = ()
    quarantine_examples: Sequence[Refused] = ()
    spot_check: Sequence[Spot] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    rerun: Sequence[str] = ()

    @property
    def total(self) -> Counts:
        return sum(self.entities.values(), Counts())

    @classmethod
    def from_json(cls, printed: Mapping[str, Any], **extras: Any) -> RunReport:
        """From what `billio migrate --json` prints, with the extras as keywords or as further members of it.

        `quarantine_examples` and `spot_check` may be dicts. Raises TypeError or KeyError on an unknown or lacking name.
        """
        given = {**printed, **extras}
        given.pop("report", None)
        quarantine = given.pop("quarantine")
        return cls(
            export=ExportSeen(**given.pop("export")),
            entities={name: Counts(**counts) for name, counts in given.pop("entities").items()},
            reasons=dict(quarantine["reasons"]),
            quarantine_path=quarantine.get("path"),
            differences=_each(Difference, given.pop("differences")),
            checks=_each(CheckSeen, given.pop("checks")),
            quarantine_examples=_each(Refused, given.pop("quarantine_examples", ())),
            spot_check=_each(Spot, given.pop("spot_check", ())),
            **given,
        )


def _each(kind: Any, values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(value if isinstance(value, kind) else kind(**value) for value in values)
