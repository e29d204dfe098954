"""ThriveCalc's data store: the same answers from a real DynamoDB table, a folder and a real S3, whatever is asked."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from thrive_places import Place, at, bucket, in_objects, in_table, ticking

from assets.thrivecalc.store import Record, RecordNotFound, UserData
from billio_pipeline.errors import InputError
from billio_pipeline.settings import Settings

ITEM_BYTES = 400 * 1024
KINDS = ("dynamodb", "folder", "s3")


@pytest.fixture(scope="module", params=KINDS)
def opened(request: pytest.FixtureRequest, ministack: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    settings = replace(Settings.from_env({}), dynamodb_endpoint=ministack, s3_endpoint=ministack)
    if request.param == "dynamodb":
        return in_table(settings)
    folder = tmp_path_factory.mktemp("thrive")
    return in_objects(settings, folder if request.param == "folder" else f"s3://{bucket(settings)}/below")


@pytest.fixture
def place(opened: Place) -> Place:
    """The module's store, with a clock that begins anew."""
    return replace(opened, store=replace(opened.store, clock=ticking()))


@pytest.fixture
def store(place: Place) -> UserData:
    return place.store


@pytest.fixture
def user() -> str:
    """A user of the test's own."""
    return f"google-oauth2|{secrets.token_hex(8)}"


DATA = {
    "name": "", "targetDate": None, "open": True, "text": "naïve 📚\n\u2028\0", "10": {}, "é": [],
    "balance": Decimal("123456789012345678901234567890.12345678"), "small": Decimal("1E-7"), "whole": 10**37,
    "lines": [{"amount": Decimal("-0.10")}, 0, [None, ""]],
}  # fmt: skip


class TestContract:
    """What every store answers alike."""

    def test_what_is_saved_is_read_back_exactly(self, store: UserData, user: str) -> None:
        assert store.save_user_data(user, "account", DATA, "one") == "one"
        assert store.get_user_data(user, "account", "one") == Record(user, "account", "one", DATA, at(0), at(0))
        assert store.get_user_data(user, "account", "other") is None

    def test_a_record_without_an_id_gets_a_new_one(self, store: UserData, user: str) -> None:
        ids = [store.save_user_data(user, "account", {"n": n}) for n in range(2)]
        assert [UUID(each).version for each in ids] == [4, 4]
        assert {each.record_id: each.data for each in store.list_user_data(user, "account")} == {
            ids[0]: {"n": 0}, ids[1]: {"n": 1},
        }  # fmt: skip

    def test_data_may_be_any_json_value(self, store: UserData, user: str) -> None:
        for data in ("text", "", 7, Decimal("0.5"), None, False, [], {}, (1, "a")):
            store.save_user_data(user, "account", data, "one")
            (found,) = store.list_user_data(user, "account")
            as_json = list(data) if isinstance(data, tuple) else data
            assert (found.data, type(found.data)) == (as_json, type(as_json))

    def test_a_number_comes_back_in_one_spelling_by_value(self, store: UserData, user: str) -> None:
        store.save_user_data(user, "account", [Decimal("1.50"), Decimal("2.00"), Decimal("1E+2"), Decimal("-0.0")], "n")
        assert repr(store.list_all_user_data(user)[0].data) == "[Decimal('1.5'), 2, 100, 0]"

    def test_saving_again_replaces_data_and_keeps_created_at(self, store: UserData, user: str) -> None:
        store.save_user_data(user, "user-profile", {"a": 1, "b": 2}, "profile")
        store.save_user_data(user, "user-profile", {"b": 3}, "profile")
        assert store.list_user_data(user, "user-profile") == [
            Record(user, "user-profile", "profile", {"b": 3}, at(0), at(1))
        ]

    def test_update_replaces_data_whole_and_keeps_created_at(self, store: UserData, user: str) -> None:
        store.save_user_data(user, "account", {"a": 1, "b": {"c": 2}}, "one")
        store.update_user_data(user, "account", "one", {"b": {"d": 3}})
        assert store.get_user_data(user, "account", "one") == Record(
            user, "account", "one", {"b": {"d": 3}}, at(0), at(1)
        )

    def test_update_of_a_record_that_is_not_there_says_so_and_makes_none(self, store: UserData, user: str) -> None:
        store.save_user_data(user, "account", {}, "one")
        other = user.upper()
        for whose, kind, id in [(user, "account", "two"), (user, "scenario", "one"), (other, "account", "one")]:
            with pytest.raises(RecordNotFound) as caught:
                store.update_user_data(whose, kind, id, {})
            assert caught.value.message == f"there is no {kind} {id!r} of user {whose!r}"
        assert len(store.list_all_user_data(user)) == 1
        assert store.list_all_user_data(other) == []

    def test_delete_says_whether_there_was_one_and_a_new_one_begins_anew(self, store: UserData, user: str) -> None:
        store.save_user_data(user, "account", {}, "one")
        assert [store.delete_user_data(user, "account", "one") for _ in range(2)] == [True, False]
        assert store.get_user_data(user, "account", "one") is None
        store.save_user_data(user, "account", {}, "one")
        assert store.list_all_user_data(user) == [Record(user, "account", "one", {}, at(1), at(1))]

    def test_listings_are_in_order_and_never_mix_types(self, store: UserData, user: str) -> None:
        for kind in ("account", "account#x", "accounts", "acc", "Account", "account "):
            for id in ("b", "a#1", "B", "é", "a"):
                store.save_user_data(user, kind, kind, id)
        in_order = ["B", "a", "a#1", "b", "é"]
        for kind in ("account", "account#x", "acc"):
            found = store.list_user_data(user, kind)
            assert [(each.data_type, each.record_id, each.data) for each in found] == [
                (kind, id, kind) for id in in_order
            ]
        assert [each.data_type for each in store.list_all_user_data(user)[::5]] == [
            "Account", "acc", "account", "account ", "account#x", "accounts",
        ]  # fmt: skip
        assert store.list_user_data(user, "accoun") == []

    @pytest.mark.parametrize(("first", "second"), [(("a", "x#y"), ("a#x", "y")), (("a#x", "y"), ("a", "x#y"))])
    def test_two_records_that_would_share_a_key_are_never_taken_for_each_other(
        self, store: UserData, user: str, first: tuple[str, str], second: tuple[str, str]
    ) -> None:
        store.save_user_data(user, first[0], "first", first[1])
        assert store.get_user_data(user, *second) is None
        assert store.list_user_data(user, second[0]) == []
        assert store.delete_user_data(user, *second) is False
        with pytest.raises(RecordNotFound):
            store.update_user_data(user, *second, "second")
        with pytest.raises(InputError, match=r"has the same recordKey, 'a#x#y'") as caught:
            store.save_user_data(user, second[0], "second", second[1])
        assert caught.value.remedy
        assert [each.data for each in store.list_all_user_data(user)] == ["first"]

    def test_users_are_told_apart_letter_by_letter(self, store: UserData, user: str) -> None:
        users = ["Ada@Example.com", "ada@example.com", user, user[:-1], user.split("|")[0], "a b+c%d", "é", "e\u0301"]
        for each in users:
            store.save_user_data(each, "account", each, "one")
        for each in users:
            assert [found.data for found in store.list_all_user_data(each)] == [each]

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (0.1, "float"), ({"a": [{"b": 1.0}]}, "float"), (float("nan"), "float"), ({"a": {1}}, "a set"),
            (b"a", "binary"), ([10**38 + 1], "38 significant"), (Decimal("NaN"), "not a number"), ({"": 1}, "empty"),
            ({1: 2}, "not text"), (object(), "no DynamoDB type"), (["\ud800"], "surrogate"),
        ],
    )  # fmt: skip
    def test_data_that_is_not_exact_is_refused_and_nothing_is_written(
        self, store: UserData, user: str, data: object, words: str
    ) -> None:
        store.save_user_data(user, "account", 1, "one")
        for write in (store.save_user_data, lambda u, t, d, r: store.update_user_data(u, t, r, d)):
            with pytest.raises(InputError, match=words) as caught:
                write(user, "account", data, "one")
            assert caught.value.remedy
        assert [each.data for each in store.list_all_user_data(user)] == [1]

    @pytest.mark.parametrize(
        "name", ["", ".", "..", ".hidden", "a/b", "../up", "/etc", "a\0", "a\nb", "a\x7f", "\ud800", "é" * 126, None, 7]
    )
    def test_a_name_that_no_path_can_hold_is_refused_by_all_methods(self, store: UserData, name: Any) -> None:
        asked = [
            lambda *key: store.save_user_data(key[0], key[1], {}, key[2] or ""),
            lambda *key: store.update_user_data(*key, {}),
            store.get_user_data,
            store.delete_user_data,
        ]
        asked = [(ask, key) for ask in asked for key in [(name, "b", "c"), ("a", name, "c"), ("a", "b", name)]]
        asked += [(store.list_user_data, (name, "b")), (store.list_user_data, ("a", name))]
        for ask, key in [*asked, (store.list_all_user_data, (name,))]:
            with pytest.raises(InputError, match=r"^(userId|dataType|recordId) ") as caught:
                ask(*key)
            assert "1 to 250 bytes" in caught.value.remedy

    def test_names_as_long_as_may_be_are_kept(self, store: UserData, user: str) -> None:
        names = [user.ljust(250, "u"), "é" * 125]
        store.save_user_data(*names, {}, "r" * 250)
        assert len(store.list_user_data(*names)) == 1

    def test_a_record_of_400_kb_is_kept_and_one_byte_more_is_refused_before_it_is_sent(
        self, store: UserData, user: str
    ) -> None:
        own = {"userId": user, "recordKey": "account#one", "dataType": "account", "recordId": "one"}
        taken = sum(map(len, [*own, *own.values(), "data", "createdAt", "updatedAt", at(0), at(0)]))
        store.save_user_data(user, "account", "x" * (ITEM_BYTES - taken), "one")
        for write in (store.save_user_data, lambda u, t, d, r: store.update_user_data(u, t, r, d)):
            with pytest.raises(InputError, match=r"account 'one'.* takes 409601 bytes") as caught:
                write(user, "account", "y" * (ITEM_BYTES - taken + 1), "one")
            assert "Split" in caught.value.remedy
        (found,) = store.list_user_data(user, "account")
        assert (found.data[0], len(found.data)) == ("x", ITEM_BYTES - taken)

    def test_data_nested_too_deeply_is_refused(self, store: UserData, user: str) -> None:
        deep: Any = 1
        for _ in range(2000):
            deep = [deep]
        fits = deep
        for _ in range(2000 - 31):
            fits = fits[0]
        store.save_user_data(user, "account", fits, "one")
        for data in (deep, [[[fits]]]):
            with pytest.raises(InputError, match="nested"):
                store.save_user_data(user, "account", data, "two")
        assert [each.data for each in store.list_all_user_data(user)] == [fits]

    def test_what_else_a_record_holds_is_read_and_survives_writes(self, place: Place, user: str) -> None:
        extra = {"ttl": 1767225600, "note": {"kept": ["", None, True]}, "A": "x"}
        times = {"createdAt": "2020-01-01T00:00:00.000Z", "updatedAt": "2021-01-01T00:00:00.000Z"}
        place.plant(
            user, "account", "one", {"dataType": "account", "recordId": "one", "data": {"a": 1}} | times | extra
        )
        old = Record(user, "account", "one", {"a": 1}, *times.values(), extra)
        assert place.store.get_user_data(user, "account", "one") == old
        place.store.update_user_data(user, "account", "one", {"b": 2})
        assert place.store.list_user_data(user, "account") == [replace(old, data={"b": 2}, updated_at=at(0))]
        place.store.save_user_data(user, "account", {"c": 3}, "one")
        assert place.store.list_all_user_data(user) == [replace(old, data={"c": 3}, updated_at=at(1))]

    def test_what_else_a_record_holds_counts_towards_its_size(self, place: Place, user: str) -> None:
        own = {"dataType": "account", "recordId": "one", "createdAt": at(0), "updatedAt": at(0)}
        place.plant(user, "account", "one", own | {"data": 1, "note": "n" * 300_000})
        with pytest.raises(InputError, match=r"account 'one' of user .* can't be kept"):
            place.store.update_user_data(user, "account", "one", "x" * 200_000)
        assert place.store.list_all_user_data(user)[0].data == 1

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"dataType": "account", "recordId": "two"}, "contradicts itself: it says it is account 'two'"),
            ({"dataType": "scenario", "recordId": "one"}, "contradicts itself: it says it is scenario 'one'"),
            ({"dataType": "account"}, "is no record: recordId missing"),
        ],
    )
    def test_what_is_no_record_or_another_than_its_place_says_is_named_never_guessed(
        self, place: Place, user: str, wrong: dict[str, Any], words: str
    ) -> None:
        place.plant(user, "account", "one", {"data": 1, "createdAt": at(0), "updatedAt": at(0)} | wrong)
        with pytest.raises(InputError, match=f"account.one.* {words}") as caught:
            place.store.list_all_user_data(user)
        assert caught.value.remedy
        with pytest.raises(InputError, match=words):
            place.store.get_user_data(user, "account", "one")

    def test_two_writers_of_one_record_never_lose_its_created_at(self, store: UserData, user: str) -> None:
        store.save_user_data(user, "account", -1, "one")

        def write(number: int) -> None:
            if number % 2:
                store.update_user_data(user, "account", "one", number)
            else:
                store.save_user_data(user, "account", number, "one")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(24)))
        (found,) = store.list_all_user_data(user)
        assert found.created_at == at(0)
        assert found.data in range(24)

    def test_the_applications_own_names_are_the_same_methods(self, store: UserData, user: str) -> None:
        id = store.saveUserData(user, "account", {"a": 1})
        store.updateUserData(user, "account", id, {"a": 2})
        found = store.getUserData(user, "account", id)
        assert found == Record(user, "account", id, {"a": 2}, at(0), at(1))
        assert store.listUserData(user, "account") == store.listAllUserData(user) == [found]
        assert store.deleteUserData(user, "account", id)
