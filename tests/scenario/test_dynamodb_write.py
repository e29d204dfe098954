"""Items into real tables: exclusively, live, in bulk; and read back."""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import replace
from typing import Any

import orjson
import pytest
from flaky_dynamodb import Faults, flaky

from billio_pipeline.errors import InputError, Interrupted, TargetError
from billio_pipeline.model.refusal import Reason
from billio_pipeline.model.size import MAX_ITEM_BYTES
from billio_pipeline.model.tables import DynamoTable, Gsi
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import Writer, ledger, tables, writing_client
from billio_pipeline.stores.dynamodb.import_files import request_import, wait_for_import, write_import_files
from billio_pipeline.stores.dynamodb.load import Batch, load
from billio_pipeline.stores.dynamodb.put_live import LiveWriter
from billio_pipeline.stores.dynamodb.read_back import absent, read_back
from billio_pipeline.stores.dynamodb.write import REQUEST_BYTES
from billio_pipeline.stores.objects import open_store
from billio_pipeline.stores.objects.aws import aws_client

Item = dict[str, dict[str, Any]]

ODD: Item = {
    "pk": {"S": "o#dd"},
    "sk": {"N": "12345678901234567890123456789012345678"},
    "empty": {"S": ""},
    "binary": {"B": "AP8="},
    "sets": {"M": {"n": {"NS": ["1", "2.5"]}, "s": {"SS": ["", "a"]}, "b": {"BS": ["AQ=="]}}},
    "list": {"L": [{"BOOL": False}, {"NULL": True}, {"S": "naïve 📚\n\u2028\0"}]},
}


@pytest.fixture
def local(settings: Settings, ministack: str) -> Settings:
    return replace(settings, dynamodb_endpoint=ministack, s3_endpoint=ministack)


@pytest.fixture
def client(local: Settings) -> Any:
    return writing_client(local)


@pytest.fixture
def table(client: Any) -> DynamoTable:
    made = DynamoTable(
        f"t-{secrets.token_hex(6)}", ("pk", "S"), ("sk", "N"), indexes=(Gsi("byOwner", ("owner", "S"), ("sk", "N")),)
    )
    tables.create(client, made)
    return made


def item(n: int, **more: Any) -> Item:
    return {"pk": {"S": f"p{n % 7}"}, "sk": {"N": str(n)}} | more


def held(client: Any, table: DynamoTable) -> list[Item]:
    """All the table holds, in the order of its keys."""
    found = [json.loads(line)["Item"] for page in read_back(client, table.name) for line in page]
    return sorted(found, key=lambda each: (each["pk"]["S"], int(each["sk"]["N"])))


def in_order(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda each: (each["pk"]["S"], int(each["sk"]["N"])))


def test_every_item_arrives_exactly_and_its_cost_is_known(client, table):
    items = [ODD, *(item(n, text={"S": "x" * n}) for n in range(300))]
    with Writer(client, table) as writer:
        assert writer.write(items) == []
    back = held(client, table)
    assert [{**each, "sets": None} for each in back] == [{**each, "sets": None} for each in in_order(items)]
    assert absent(client, table, items) == []
    assert (writer.items, writer.requests, writer.units) == (301, 13, 301.0)


def test_equal_items_under_one_key_are_written_once_however_they_are_spelt(client, table):
    twice = {"sk": {"N": "1.0"}, "pk": {"S": "p1"}}
    with Writer(client, table) as writer:
        writer.write([item(1), twice, item(1)])
    assert writer.items == 1


def test_differing_items_under_one_key_are_never_decided_here(client, table):
    with Writer(client, table) as writer, pytest.raises(InputError, match=r"p1 / 1 differ"):
        writer.write([item(1), item(1, text={"S": "other"})])
    assert held(client, table) == []


def test_items_no_table_holds_are_refused_before_they_are_sent_and_the_rest_arrives(client, table):
    large = {"pk": {"S": "p"}, "sk": {"N": "1"}, "text": {"S": ""}}
    room = MAX_ITEM_BYTES - len("pkpskxtext") - 1  # two bytes of number
    fits = {**large, "text": {"S": "x" * room}}
    over = {**large, "sk": {"N": "2"}, "text": {"S": "x" * (room + 1)}}
    wrong = {"pk": {"S": "p"}, "sk": {"S": "3"}}
    lacking = {"pk": {"S": "p"}}
    with Writer(client, table) as writer:
        refused = writer.write([over, fits, wrong, item(9), lacking])
    assert [(each.item, each.refusal.reason) for each in refused] == [
        (over, Reason.OVER_DYNAMODB_LIMIT),
        (wrong, Reason.WRONG_TYPE),
        (lacking, Reason.MISSING_ATTRIBUTE),
    ]
    assert held(client, table) == [fits, item(9)]


def test_an_item_the_table_refuses_is_found_by_halving_and_only_it_is_refused(client, table):
    wrong = item(13, owner={"N": "1"})  # the index wants text
    with Writer(client, table) as writer:
        (refused,) = writer.write([wrong if n == 13 else item(n) for n in range(50)])
    assert refused.item == wrong
    assert refused.refusal.reason is Reason.TARGET_REFUSED
    assert "owner" in refused.refusal.message or "Index" in refused.refusal.message
    assert len(held(client, table)) == 49


def test_a_request_stays_within_16_mb_however_much_escaping_its_items_need(client, table, ministack, local):
    # A control character is one byte of an item and six of JSON.
    items = [item(n, text={"S": "\x01" * 380_000}) for n in range(12)]
    with flaky(ministack, Faults()) as endpoint:
        through = writing_client(replace(local, dynamodb_endpoint=endpoint.url))
        with Writer(through, table) as writer:
            assert writer.write(items) == []
        assert endpoint.most_bytes <= REQUEST_BYTES
        assert endpoint.asked["BatchWriteItem"] == 2
    assert absent(client, table, items) == []


def test_a_table_of_another_key_and_one_that_is_not_there_are_refused_before_any_write(client, table):
    with pytest.raises(TargetError, match="its key is"):
        Writer(client, replace(table, sort=None))
    with pytest.raises(TargetError, match="there is no table nowhere"):
        Writer(client, replace(table, name="nowhere"))


def test_the_cap_on_write_units_is_kept(client, table, ministack, local):
    with flaky(ministack, Faults()) as endpoint:
        through = writing_client(replace(local, dynamodb_endpoint=endpoint.url))
        with Writer(through, table, max_wcu=200) as writer:
            writer.write([item(n) for n in range(500)])
        first, last = endpoint.consumed[0][0], endpoint.consumed[-1][0]
    assert last - first > 0.9 * (500 - 200 - 25) / 200  # the bucket holds the first second's 200


def test_a_stop_is_heeded_at_a_safe_point_and_nothing_hangs(client, table):
    def stop(items: int) -> None:
        seen.append(items)
        if sum(seen) >= 100:
            raise Interrupted("stopped before the end")

    seen: list[int] = []
    with pytest.raises(Interrupted, match="before the end"), Writer(client, table, progress=stop) as writer:
        writer.write([item(n) for n in range(2_000)])
    assert 100 <= len(held(client, table)) < 2_000
    assert not [each for each in threading.enumerate() if each.name.startswith("put")]


def entry(number: int, items: list[Item]) -> ledger.Entry:
    return ledger.Entry(f"batch{number}", "export-1", "Thing", "data/a.gz", 1 + number, len(items), "00ff")


def test_a_second_load_finds_every_batch_listed_and_writes_nothing(client, table):
    ledger.create(client)
    export = f"export-{secrets.token_hex(4)}"
    batches = []
    for number in range(3):
        items = [item(100 * number + n) for n in range(60)]
        batches.append(Batch(replace(entry(number, items), export_id=export), items))
    with Writer(client, table) as writer:
        first = load(writer, batches, ledger.committed(client, export, "Thing"))
    assert (first.batches, first.items, first.present) == (3, 180, 0)
    assert list(ledger.entries(client, export)) == [batch.entry for batch in batches]
    assert ledger.committed(client, export, "Other") == set()
    with Writer(client, table) as writer:
        again = load(writer, batches, ledger.committed(client, export, "Thing"))
    assert (again.batches, again.items, again.present) == (3, 0, 180)


def test_the_ledger_is_only_a_hint_what_is_gone_or_changed_is_written_again(client, table):
    ledger.create(client)
    items = [item(n) for n in range(250)]
    batch = Batch(replace(entry(0, items), export_id=f"export-{secrets.token_hex(4)}"), items)
    with Writer(client, table) as writer:
        load(writer, [batch], set())
    client.delete_item(TableName=table.name, Key=items[3])
    client.put_item(TableName=table.name, Item=items[5] | {"changed": {"BOOL": True}})
    with Writer(client, table) as writer:
        done = load(writer, [batch], {batch.entry.batch_id})
    assert (done.items, done.present) == (2, 248)
    assert held(client, table) == in_order(items)


def test_a_table_that_holds_others_items_is_not_loaded_exclusively(client, table):
    ledger.create(client)
    ledger.claim(client, table)
    with Writer(client, table) as writer:
        writer.write([item(1)])
    ledger.claim(client, table)  # ours now, whatever it holds
    client.delete_table(TableName=table.name)
    tables.create(client, table)
    client.put_item(TableName=table.name, Item=item(2))
    with pytest.raises(TargetError, match="not loaded from here"):
        ledger.claim(client, table)


def test_a_live_table_keeps_what_others_wrote_newer(client, table):
    def aged(n: int, age: int, text: str) -> Item:
        return item(n, age={"N": str(age)}, text={"S": text})

    others = [aged(1, 9, "newer"), aged(2, 3, "older"), aged(3, 5, "same age"), item(4), aged(5, 5, "ours")]
    with Writer(client, table) as writer:
        writer.write(others)
    ours = [aged(n, 5, "ours") for n in range(7)]
    with LiveWriter(client, table) as live:
        done = live.put(ours, newer_by="age")
    assert (done.items, done.present, done.conflicts) == (5, 0, 2)
    assert sorted(done.conflict_keys) == ["p1 / 1", "p4 / 4"]
    assert held(client, table) == in_order([*ours[:1], others[0], *ours[2:4], others[3], *ours[5:]])


def test_a_live_table_without_ages_only_gets_what_it_lacks(client, table):
    with Writer(client, table) as writer:
        writer.write([ODD, item(1, text={"S": "theirs"})])
    wrong = item(2, owner={"N": "1"})
    with LiveWriter(client, table) as live:
        done = live.put([ODD, item(1), wrong, item(3), {"pk": {"S": ""}}])
    assert (done.items, done.present, done.conflicts) == (1, 1, 1)
    assert [each.refusal.reason for each in done.refused].count(Reason.TARGET_REFUSED) == 1
    assert len(done.refused) == 2


def test_reading_back_may_end_early_and_leaves_no_thread(client, table):
    with Writer(client, table) as writer:
        writer.write([item(n, text={"S": "x" * 50_000}) for n in range(100)])
    pages = read_back(client, table.name, segments=3)
    next(pages)
    pages.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("read")]


def test_reading_back_a_table_that_is_not_there_says_so(client):
    with pytest.raises(InputError, match="nowhere"):
        list(read_back(client, "nowhere"))


@pytest.fixture
def bucket(ministack: str) -> str:
    name = f"b-{secrets.token_hex(6)}"
    aws_client("s3", ministack, "us-east-1").create_bucket(Bucket=name)
    return name


def test_a_table_imported_from_files_holds_the_same_items(client, table, local, bucket):
    new = replace(table, name=f"{table.name}-new", ttl="expires")
    store = open_store(f"s3://{bucket}/import", local)
    items = [ODD, *(item(n) for n in range(500))]
    files = write_import_files(store, new, [*items, {"pk": {"S": "x"}}], file_bytes=10_000)
    assert files.items == 501
    assert files.files > 1
    assert [each.refusal.reason for each in files.refused] == [Reason.MISSING_ATTRIBUTE]
    arn = request_import(client, new, files)
    assert wait_for_import(client, arn, items=501, poll=0.05)["ImportedItemCount"] == 501
    assert wait_for_import(client, arn)["ImportStatus"] == "COMPLETED", "taken up again by its ARN"
    tables.complete(client, new)
    assert tables.drift(client, new) == []
    assert absent(client, new, items) == []
    with pytest.raises(InputError, match="already exists"):
        request_import(client, new, replace(files, id="other"))


def test_an_import_that_lost_items_is_no_success(client, table, local, bucket):
    new = replace(table, name=f"{table.name}-new")
    store = open_store(f"s3://{bucket}/import", local)
    files = write_import_files(store, new, [item(1)])
    store.write("00001.json.gz", b"no gzip")
    arn = request_import(client, new, files)
    with pytest.raises(TargetError, match="FAILED"):
        wait_for_import(client, arn, items=1, poll=0.05)


def test_zstd_files_hold_the_same_lines_as_gzip_ones(local, table, tmp_path):
    import gzip

    import pyarrow as pa

    items = [ODD, *(item(n) for n in range(2_000))]
    made = {}
    for compression, ending in (("GZIP", "gz"), ("ZSTD", "zst")):
        store = open_store(tmp_path / ending, local)
        files = write_import_files(store, table, items, compression=compression, file_bytes=50_000)
        names = sorted(info.key for info in store.list())
        assert len(names) == files.files > 1
        assert sum(info.size for info in store.list()) == files.bytes
        made[ending] = (names, [store.read(name) for name in names], files.id)
    plain = [gzip.decompress(each) for each in made["gz"][1]]
    streams = [pa.CompressedInputStream(pa.BufferReader(each), "zstd").read() for each in made["zst"][1]]
    assert plain == streams
    assert made["gz"][2] == made["zst"][2]
    assert [orjson.loads(line)["Item"] for line in b"".join(plain).splitlines()] == items
    with pytest.raises(InputError, match="already holds"):
        write_import_files(open_store(tmp_path / "gz", local), table, items)
    with pytest.raises(InputError, match="in no bucket"):
        request_import(None, table, files)
