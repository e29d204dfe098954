"""Derived attributes: formats, conditions, and which of several choices gives the value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billio_pipeline.model import derive
from billio_pipeline.model.words import ABSENT, PRESENT, DeclarationError, Derived

ITEM: dict[str, dict[str, Any]] = {
    "Name": {"S": "Ünï #1"},
    "Empty": {"S": ""},
    "Id": {"S": "37"},
    "Count": {"N": "-7"},
    "Yes": {"BOOL": True},
    "No": {"BOOL": False},
    "Null": {"NULL": True},
    "At": {"S": "2025-01-15T14:30:00.999999Z"},
    "Early": {"S": "1969-12-31T23:59:59.000001Z"},
}
LOOKED = {"problem": {"Title": {"S": "A+B"}, "No": {"S": "1520#E"}}, "plan": None}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("METADATA", "METADATA"),
        ("", ""),
        ("{Name}", "Ünï #1"),
        ("A#{Name}#{Empty}#B", "A#Ünï #1##B"),
        ("{Count}/{Yes}/{No}", "-7/true/false"),
        ("{Name|lower}", "ünï #1"),
        ("{At|date}", "2025-01-15"),
        ("{At|epoch_s}", "1736951400"),
        ("{Early|epoch_s}", "-1"),
        ("{Id|mod16}", "5"),
        ("{Count|mod16}", "9"),
        ("{Id|mod1}", "0"),
        ("{Id|+0d}", "37"),
        ("{At|epoch_s|+90d}", "1744727400"),
        ("{At|epoch_s|mod16|+1d}", str(1736951400 % 16 + 86_400)),
        ("P#{problem.Title}#{problem.No|lower}", "P#A+B#1520#e"),
    ],
)
def test_a_template_is_filled_in_and_formats_apply_in_their_order(template: str, text: str) -> None:
    assert derive.text(template, ITEM, LOOKED) == text


def test_a_name_with_a_dot_is_an_attribute_where_no_lookup_has_its_first_part() -> None:
    assert derive.text("{a.b}", {"a.b": {"S": "x"}}, LOOKED) == "x"


@pytest.mark.parametrize("template", ["{Nothing}", "{plan.Name}", "{problem.Platform}"])
def test_a_template_that_reads_what_is_not_there_is_an_error(template: str) -> None:
    with pytest.raises(KeyError):
        derive.text(template, ITEM, LOOKED)


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC)))
def test_epoch_seconds_are_the_whole_ones_before_a_time(time: datetime) -> None:
    wire = {"At": {"S": time.isoformat(timespec="microseconds")[:-6] + "Z"}}
    seconds = timedelta(seconds=int(derive.text("{At|epoch_s}", wire, {})))
    assert timedelta(0) <= time - datetime(1970, 1, 1, tzinfo=UTC) - seconds < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({}, True),
        ({"Name": PRESENT}, True),
        ({"Name": ABSENT}, False),
        ({"Empty": PRESENT}, True),
        ({"Null": PRESENT}, False),
        ({"Null": ABSENT}, True),
        ({"Nothing": ABSENT}, True),
        ({"Nothing": PRESENT}, False),
        ({"problem": PRESENT}, True),
        ({"plan": PRESENT}, False),
        ({"plan": ABSENT, "problem": PRESENT}, True),
        ({"Yes": True}, True),
        ({"Yes": False}, False),
        ({"No": False}, True),
        ({"Nothing": False}, False),
        ({"Null": False}, False),
        ({"Id": "37"}, True),
        ({"Id": "38"}, False),
        ({"Yes": "true"}, False),
        ({"Count": "-7"}, False),
        ({"Empty": ""}, True),
        ({"Name": PRESENT, "Yes": False}, False),
    ],
)
def test_a_condition_holds_when_all_it_names_is_as_it_says(condition: Any, holds: bool) -> None:
    assert derive.holds(condition, ITEM, LOOKED) is holds


def test_the_first_choice_whose_condition_holds_gives_the_value() -> None:
    first, second, third = (
        Derived("PK", "no#{Nothing}", {"Nothing": PRESENT}),
        Derived("PK", "{Id}", {"Yes": True}, type="N"),
        Derived("PK", "always"),
    )
    assert derive.value((first, second, third), ITEM, LOOKED) == {"N": "37"}
    assert derive.value((first, third, second), ITEM, LOOKED) == {"S": "always"}
    assert derive.value((first,), ITEM, LOOKED) is None
    assert derive.value((), ITEM, LOOKED) is None


@pytest.mark.parametrize("form", ["upper", "mod0", "mod", "mod016", "+d", "90d", "-90d", "+1.5d", " lower", ""])
def test_a_format_there_is_not_is_refused_when_it_is_declared(form: str) -> None:
    with pytest.raises(DeclarationError, match="no format is called"):
        derive.check("{Name|" + form + "}")
    derive.check("{Name|lower}#{At|epoch_s|+90d}")


def test_the_inputs_of_a_template_are_named_without_their_formats() -> None:
    assert Derived("x", "A#{a|lower}#{b.c}#{d}").inputs == ("a", "b.c", "d")
