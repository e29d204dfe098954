"""Users' records in a DynamoDB table: one atomic request per write, consistent reads of every page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assets.thrivecalc.store import record as names
from assets.thrivecalc.store.record import (
    Key,
    Record,
    contradiction,
    record_of,
    taken,
    too_large,
    wire_item,
)
from billio_pipeline.model.natural import to_natural
from billio_pipeline.stores.dynamodb.client_form import from_client
from billio_pipeline.stores.dynamodb.encode import Wire
from billio_pipeline.stores.objects.aws import explained

_NO_TABLE = "Check DYNAMODB_TABLE_NAME, BILLIO_DYNAMODB_ENDPOINT and AWS_REGION, or create the table."
_TOO_LARGE = "maximum allowed size"  # as UpdateItem says it
_SAME_TYPE = "#type = :type"  # there is an item, and not another record of the same sort key
_PLACES = {
    "#user": names.USER, "#key": names.KEY, "#type": names.TYPE, "#data": names.DATA, "#updated": names.UPDATED,
}  # fmt: skip


@dataclass(frozen=True)
class TableRecords:
    """The table `table` behind a low-level client, which is safe to share between threads. `page` limits the items of
    a page; None leaves it to DynamoDB, which ends one at 1 MB."""

    client: Any
    table: str
    page: int | None = None

    def read(self, key: Key) -> Record | None:
        """The record; None also where its sort key is another record's."""
        answer = self._ask(self.client.get_item, Key=_wire_key(key), ConsistentRead=True)
        found = self._record(answer["Item"]) if answer.get("Item") else None
        return found if found and found.data_type == key.data_type else None

    def listed(self, user_id: str, data_type: str | None) -> list[Record]:
        """All the user's records, or those of exactly one type, in no order. The table itself is asked, not its index,
        which lags behind."""
        condition, values = "#user = :user", {":user": {"S": user_id}}
        if data_type is not None:
            # `a#` also begins the keys of a type `a#b`: those are told apart below.
            condition, values = f"{condition} AND begins_with(#key, :type)", values | {":type": {"S": f"{data_type}#"}}
        found = [self._record(item) for item in self._items(condition, values)]
        return [each for each in found if data_type is None or each.data_type == data_type]

    def save(self, key: Key, data: Wire, now: str) -> None:
        """Write the record; one that is there keeps all but `data` and `updatedAt`. Raises InputError when its sort
        key is another record's."""
        item = wire_item(key, data, now, now)
        # Not one UpdateItem with if_not_exists: what its expression says counts towards the 400 KB as well.
        while not self._held(self.client.put_item, key, "attribute_not_exists(#user)", Item=item):
            if self.update(key, data, now):
                return
            there = self._ask(self.client.get_item, Key=_wire_key(key), ConsistentRead=True).get("Item")
            if there and there.get(names.TYPE) != item[names.TYPE]:
                raise taken(key)

    def update(self, key: Key, data: Wire, now: str) -> bool:
        """Replace `data`; False when there is no such record."""
        wire_item(key, data, now, now)  # refuses what is too large before it is sent
        change, values = "SET #data = :data, #updated = :now", {":data": data, ":now": {"S": now}}
        return self._held(self.client.update_item, key, _SAME_TYPE, values, Key=_wire_key(key), UpdateExpression=change)

    def remove(self, key: Key) -> bool:
        """Remove the record; False when there was none, or an earlier try removed it and its answer was lost."""
        return self._held(self.client.delete_item, key, _SAME_TYPE, Key=_wire_key(key))

    def _held(
        self,
        write: Callable[..., Any],
        key: Key,
        condition: str,
        values: Mapping[str, Wire] | None = None,
        **request: Any,
    ) -> bool:
        """Whether the write's condition held and it was done."""
        errors = self.client.exceptions
        said = f"{condition} {request.get('UpdateExpression', '')}"
        if values := _used({":type": {"S": key.data_type}} | dict(values or {}), said):
            request["ExpressionAttributeValues"] = values

        def ask(**whole: Any) -> bool:
            try:
                write(**whole)
            except errors.ConditionalCheckFailedException:
                return False
            except errors.ClientError as error:
                # What the record has beside `data` only the table knows, so only it can say.
                if _TOO_LARGE in str(error):
                    raise too_large(key, "with what else it holds it takes more than 400 KB") from error
                raise
            return True

        return self._ask(ask, ConditionExpression=condition, ExpressionAttributeNames=_used(_PLACES, said), **request)

    def _items(self, condition: str, values: Mapping[str, Wire]) -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": _used(_PLACES, condition),
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }
        if self.page is not None:
            request["Limit"] = self.page
        while True:
            answer = self._ask(self.client.query, **request)
            yield from answer.get("Items", ())
            if not answer.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _ask(self, request: Callable[..., Any], **given: Any) -> Any:
        with explained(f"table {self.table}", absent=_NO_TABLE):
            return request(TableName=self.table, **given)

    def _record(self, item: Mapping[str, Any]) -> Record:
        values = {name: to_natural(wire, "", {}) for name, wire in from_client(item).items()}
        where = f"table {self.table}, {values.get(names.USER)!r} / {values.get(names.KEY)!r}"
        found = record_of(values, where)
        if found.key.record_key != values.get(names.KEY):
            raise contradiction(where, found)
        return found


def _wire_key(key: Key) -> dict[str, Wire]:
    return {names.USER: {"S": key.user_id}, names.KEY: {"S": key.record_key}}


def _used(placeholders: Mapping[str, Any], expression: str) -> dict[str, Any]:
    """Those that occur: DynamoDB refuses the others. None is the beginning of another."""
    return {name: value for name, value in placeholders.items() if name in expression}
