"""ThriveCalc's data store, kind by kind: pages of a table and a bucket, objects' bytes, and which store is meant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from thrive_places import ADA, at, bucket, in_objects, in_table

from assets.thrivecalc.places import Places
from assets.thrivecalc.store import UserData, open_store
from assets.thrivecalc.store.dynamodb import TableRecords
from billio_pipeline.errors import InputError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import s3

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def local(settings: Settings, ministack: str) -> Settings:
    return replace(settings, dynamodb_endpoint=ministack, s3_endpoint=ministack)


def test_a_table_is_listed_to_the_last_page_of_a_few_items_and_of_a_megabyte(local: Settings) -> None:
    store = in_table(local, page=2).store
    for n in range(9):
        store.save_user_data(ADA, f"t{n % 3}", n, f"{n}")
    assert [each.data for each in store.list_user_data(ADA, "t1")] == [1, 4, 7]
    assert sorted(each.data for each in store.list_all_user_data(ADA)) == list(range(9))
    whole = UserData(replace(store.records, page=None))
    for n in range(4):
        whole.save_user_data(ADA, "large", "x" * 350_000, f"{n}")
    assert [len(each.data) for each in whole.list_user_data(ADA, "large")] == [350_000] * 4
    assert len(whole.list_all_user_data(ADA)) == 13


def test_saves_that_meet_deletes_in_a_table_all_end_and_leave_a_whole_record_or_none(local: Settings) -> None:
    store = in_table(local).store

    def work(number: int) -> None:
        if number % 2:
            store.delete_user_data(ADA, "account", "one")
        else:
            store.save_user_data(ADA, "account", number, "one")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(40)))
    store.save_user_data(ADA, "account", "last", "one")
    assert [each.data for each in store.list_all_user_data(ADA)] == ["last"]


@pytest.fixture
def pages_of_two(local: Settings) -> Iterator[list[str]]:
    """S3 lists two objects at a time; what is asked of it."""
    events, asked = s3._client(local.s3_endpoint, local.region).meta.events, []

    def limited(params: dict[str, Any], **_: Any) -> None:
        params["MaxKeys"] = 2
        asked.append(params.get("ContinuationToken", ""))

    events.register("provide-client-params.s3.ListObjectsV2", limited)
    yield asked
    events.unregister("provide-client-params.s3.ListObjectsV2", limited)


def test_a_bucket_is_listed_to_the_last_page(local: Settings, pages_of_two: list[str]) -> None:
    store = in_objects(local, f"s3://{bucket(local)}").store
    for n in range(9):
        store.save_user_data(ADA, f"t{n % 3}", n, f"{n}")
    pages_of_two.clear()
    assert [each.data for each in store.list_user_data(ADA, "t1")] == [1, 4, 7]
    assert sorted(each.data for each in store.list_all_user_data(ADA)) == list(range(9))
    assert len(pages_of_two) == 2 + 5


def test_an_object_is_written_as_the_tree_documents_it(local: Settings, tmp_path: Path) -> None:
    place = in_objects(local, tmp_path)
    data = {"b": Decimal("1.10"), "a": 10**21, "ü": "é"}
    own = {"dataType": "account", "recordId": "one", "createdAt": at(9), "updatedAt": at(9)}
    place.plant(ADA, "account", "one", own | {"data": 1, "ttl": 5, "also": 1.5})
    place.store.update_user_data(ADA, "account", "one", data)
    written = (tmp_path / "users" / ADA / "account" / "one.json").read_bytes()
    assert written.decode() == (
        f'{{"userId": "{ADA}", "dataType": "account", "recordId": "one",'
        ' "data": {"a": 1000000000000000000000, "b": 1.1, "ü": "é"},'
        f' "createdAt": "{at(9)}", "updatedAt": "{at(0)}", "also": 1.5, "ttl": 5}}'
    )


def test_the_sample_tree_and_the_sample_table_hold_the_same_records(local: Settings) -> None:
    table = in_table(local)
    items = [json.loads(line)["Item"] for line in (FIXTURES / "thrive.ddb-export.jsonl").read_text().splitlines()]
    for item in items:
        table.store.records.client.put_item(TableName=table.store.records.table, Item=item)
    tree = open_store({}, location=FIXTURES / "thrive_s3", settings=local)
    found = [record for user in {item["userId"]["S"] for item in items} for record in tree.list_all_user_data(user)]
    assert len(found) == len(items) == 6
    for each in found:
        assert table.store.get_user_data(each.user_id, each.data_type, each.record_id) == each


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff", b'{"recordKey": "a#b"}', b'{"a": 1e999}']
)
def test_an_object_that_is_no_record_is_named_and_kept(local: Settings, tmp_path: Path, body: bytes) -> None:
    store = in_objects(local, tmp_path).store
    file = tmp_path / "users" / ADA / "account" / "one.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(body)
    for ask in (lambda: store.list_all_user_data(ADA), lambda: store.save_user_data(ADA, "account", {}, "one")):
        with pytest.raises(InputError, match=r"account/one\.json is no record"):
            ask()
    assert file.read_bytes() == body


def test_other_objects_of_the_tree_are_passed_over_and_a_name_with_a_slash_is_told_apart(
    local: Settings, tmp_path: Path
) -> None:
    place = in_objects(local, tmp_path)
    place.store.save_user_data(ADA, "account", 1, "one")
    place.plant(f"{ADA}/x", "account", "two", {"dataType": "account", "recordId": "two"} | _rest(2))
    place.plant(ADA, "a/b", "three", {"dataType": "a/b", "recordId": "three"} | _rest(3))
    for other in ("users/readme.json", f"users/{ADA}/notes.json", f"users/{ADA}/account/picture.png", "elsewhere.json"):
        (tmp_path / other).write_bytes(b"?")
    assert [each.data for each in place.store.list_all_user_data(ADA)] == [3, 1]
    assert [each.data for each in place.store.list_user_data(ADA, "account")] == [1]


def _rest(data: object) -> dict[str, Any]:
    return {"data": data, "createdAt": at(0), "updatedAt": at(0)}


@pytest.mark.parametrize("location", [None, "s3://nowhere-at-all"])
def test_a_table_or_bucket_that_is_not_there_is_named_not_taken_for_an_empty_one(
    local: Settings, location: str | None
) -> None:
    store = open_store({"DYNAMODB_TABLE_NAME": "nowhere"}, location=location, settings=local)
    one = ADA, "account", "one"
    for ask in (
        lambda: store.get_user_data(*one),
        lambda: store.list_user_data(*one[:2]),
        lambda: store.save_user_data(*one[:2], {}),
        lambda: store.update_user_data(*one, {}),
        lambda: store.delete_user_data(*one),
    ):
        with pytest.raises(InputError, match="nowhere") as caught:
            ask()
        assert caught.value.remedy


def test_the_seeds_variables_say_which_store_is_meant(settings: Settings, tmp_path: Path) -> None:
    def meant(env: dict[str, str], **given: Any) -> str:
        records = open_store(env, settings=settings, **given).records
        return records.table if isinstance(records, TableRecords) else records.store.uri

    assert meant({}) == meant({"DYNAMODB_TABLE_NAME": ""}) == "thrivecalc-user-data"
    assert meant({"DYNAMODB_TABLE_NAME": "finplan-user-data"}) == "finplan-user-data"
    assert meant({"DYNAMODB_TABLE_NAME": "a", "BILLIO_THRIVECALC_TABLE": "b"}) == "b"
    assert meant({"DATA_BUCKET_NAME": "thrivecalc-data-1-eu"}) == "s3://thrivecalc-data-1-eu"
    assert meant({"DATA_BUCKET_NAME": "x", "BILLIO_THRIVECALC_LOCATION": str(tmp_path)}) == str(tmp_path)
    assert meant({"DATA_BUCKET_NAME": "x", "DYNAMODB_TABLE_NAME": "a"}) == "a"
    assert meant({"DYNAMODB_TABLE_NAME": "a"}, location=tmp_path) == str(tmp_path)
    assert Places.from_env({}) == Places(None, None, "thrivecalc_db", "user_financial_data")
    assert Places.from_env({"GLUE_DATABASE_NAME": "finplan_db", "GLUE_TABLE_NAME": "t"}) == Places(
        None, None, "finplan_db", "t"
    )
