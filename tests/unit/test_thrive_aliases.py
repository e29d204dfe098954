"""User ids of three generations: the map is followed to its end, and what leads to no sub is listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assets.thrivecalc.aliases import Aliases, Orphan, aliases_of, is_sub, orphans, read_aliases
from billio_pipeline.errors import InputError

GOOGLE, MAIL, SUB = "google-oauth2|123456789", "user@example.com", "a1b2c3d4-0000-70aa-0000-0123456789ab"
OTHER = "a1b2c3d4-0000-70aa-0000-0123456789ac"


def test_an_id_is_followed_through_its_generations_and_others_stay() -> None:
    aliases = aliases_of([(GOOGLE, MAIL), (MAIL, SUB), ("a", "a")])
    assert [aliases.resolve(each) for each in (GOOGLE, MAIL, SUB, "a", "User@example.com", "")] == [
        SUB, SUB, SUB, "a", "User@example.com", "",
    ]  # fmt: skip
    assert Aliases().resolve(GOOGLE) == GOOGLE


@pytest.mark.parametrize("pairs", [[("a", "b"), ("b", "a")], [("x", "a"), ("a", "b"), ("b", "c"), ("c", "a")]])
def test_a_circle_is_refused_and_shown(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(InputError, match="a → b"):
        aliases_of(pairs)


@pytest.mark.parametrize("pairs", [[("a", "b"), ("a", "c")], [("", "b")], [("a", "")]])
def test_a_map_that_says_two_things_or_nothing_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(InputError):
        aliases_of(pairs)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({GOOGLE: MAIL, MAIL: SUB}),
        f"\ufefffrom,to\r\n{GOOGLE},{MAIL}\r\n\r\n{MAIL},{SUB}\r\n{MAIL},{SUB}\r\n",
        f'from,to\n"{GOOGLE}","{MAIL}"\n{MAIL},{SUB}',
    ],
)
def test_a_map_is_read_from_json_or_csv(tmp_path: Path, text: str) -> None:
    (tmp_path / "map").write_text(text)
    assert read_aliases(tmp_path / "map").final == {GOOGLE: SUB, MAIL: SUB}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]x", '["a"]', '{"a": 1}', '{"a": {"b": "c"}}', '{"a": "b", "a": "c"}', "a,b\n", "to,from\na,b",
     "from,to\na", "from,to\na,b,c", "from,to\na,", '"a"'],
)  # fmt: skip
def test_what_is_no_map_is_refused_with_the_form_it_should_have(tmp_path: Path, text: str) -> None:
    (tmp_path / "map").write_text(text)
    with pytest.raises(InputError) as caught:
        read_aliases(tmp_path / "map")
    assert caught.value.remedy


def test_a_map_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        read_aliases(tmp_path / "map")


def test_ids_that_lead_to_no_sub_are_listed_most_records_first() -> None:
    aliases = aliases_of([(GOOGLE, MAIL), ("old@example.com", SUB), ("x", OTHER.upper())])
    found = orphans({GOOGLE: 1, "old@example.com": 5, SUB: 9, MAIL: 2, "x": 2}, aliases)
    assert found == [Orphan(MAIL, MAIL, 2), Orphan("x", OTHER.upper(), 2), Orphan(GOOGLE, MAIL, 1)]
    assert [is_sub(each) for each in (SUB, SUB.upper(), MAIL, GOOGLE, "")] == [True, False, False, False, False]
