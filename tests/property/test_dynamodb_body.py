"""The body of a BatchWriteItem says what botocore's own would have said, and is what is signed and sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from test_dynamodb_encode import texts, values

from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import dynamodb_client
from billio_pipeline.stores.dynamodb.body import batch_write, put_request, ready
from billio_pipeline.stores.dynamodb.client_form import for_client
from billio_pipeline.stores.dynamodb.encode import encode_item

TABLE = 'odd-name_"1.0'


class Kept:
    """A client whose requests end here, before any network."""

    def __init__(self) -> None:
        self.sent: list[AWSPreparedRequest] = []
        self.client: Any = dynamodb_client(replace(Settings.from_env({}), dynamodb_endpoint="http://127.0.0.1:9"))
        self.client.meta.events.register("before-send.dynamodb", self._keep)
        ready(self.client)
        ready(self.client)

    def _keep(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        self.sent.append(request)
        return AWSResponse(request.url, 200, {}, Raw(b'{"UnprocessedItems":{}}'))


class Raw:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self, **_: Any) -> Any:
        yield self.content


@pytest.fixture(scope="module")
def kept() -> Kept:
    return Kept()


@given(items=st.lists(st.dictionaries(texts, values, max_size=4), min_size=1, max_size=3))
@hypothesis_settings(max_examples=50)
def test_it_says_what_botocore_would_have_said_and_is_what_is_signed(kept: Kept, items: list[dict[str, Any]]) -> None:
    wire = [encode_item(item) for item in items]
    puts = [{"PutRequest": {"Item": for_client(item)}} for item in wire]
    kept.client.batch_write_item(RequestItems={TABLE: puts}, ReturnConsumedCapacity="INDEXES")
    batch_write(kept.client, TABLE, [put_request(item) for item in wire])
    theirs, ours = kept.sent[-2:]
    assert json.loads(ours.body) == json.loads(theirs.body)
    changing = {"X-Amz-Date", "Authorization", "Content-Length", "amz-sdk-invocation-id", "User-Agent"}
    assert {k: v for k, v in ours.headers.items() if k not in changing} == {
        k: v for k, v in theirs.headers.items() if k not in changing
    }
    assert int(ours.headers["Content-Length"]) == len(ours.body)
    assert f"Signature={_signature(ours)}" in str(ours.headers["Authorization"])


def _signature(sent: AWSPreparedRequest) -> str:
    """What botocore signs such a request with."""
    auth = SigV4Auth(Credentials("local", "local"), "dynamodb", "us-east-1")
    found = {name: sent.headers[name] for name in ("Content-Type", "X-Amz-Date", "X-Amz-Target")}
    headers = {name: each.decode() if isinstance(each, bytes) else each for name, each in found.items()}
    request = AWSRequest("POST", sent.url, headers, sent.body)
    request.context["timestamp"] = headers["X-Amz-Date"]
    return auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
