"""Items into a table that others write to as well: each put only where it is absent, or no older than what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from billio_pipeline.model.canonical import canonical_item
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.stores.dynamodb.client_form import Item, for_client, from_client
from billio_pipeline.stores.dynamodb.keys import key_text
from billio_pipeline.stores.dynamodb.retry import THROTTLED, answered
from billio_pipeline.stores.dynamodb.send import Sender
from billio_pipeline.stores.dynamodb.size import write_units
from billio_pipeline.stores.dynamodb.write import Refused, measured

_KEPT = 100  # conflicting keys named; all of them are found again by verify


@dataclass
class PutLive:
    """What became of the items: `items` were written now, `present` were there already, equal; `conflicts` stayed as
    others wrote them."""

    items: int = 0
    present: int = 0
    conflicts: int = 0
    conflict_keys: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class LiveWriter(Sender):
    """Puts items one by one, each under a condition."""

    def put(self, items: Sequence[Mapping[str, dict[str, Any]]], *, newer_by: str | None = None) -> PutLive:
        """Put each item whose key the table lacks; with `newer_by`, the attribute that tells ages, also in place of an
        item that isn't newer by it. One without that attribute, or with another type in it, stays.

        An item put by a try whose answer was lost counts as present.
        """
        done = PutLive()
        self.each(partial(self._item, dict(item), newer_by, done) for item in items)
        return done

    def _item(self, item: Item, newer_by: str | None, done: PutLive) -> None:
        found = measured(self.table, item)
        if isinstance(found, Refusal):
            with self.lock:
                done.refused.append(Refused(item, found))
            return
        key, size = found
        units = write_units(size)
        request = self._request(item, newer_by)

        def once() -> tuple[int, str]:
            self.tries.wait(self.rate.pay(units))
            try:
                answer = self.client.put_item(**request)
            except self.client.exceptions.ConditionalCheckFailedException as error:
                held = from_client(error.response.get("Item", {}))
                same = bool(held) and canonical_item(held) == canonical_item(item)
                with self.lock:
                    done.present += same
                    done.conflicts += not same
                    if not same and len(done.conflict_keys) < _KEPT:
                        done.conflict_keys.append(key_text(key))
                return 0, ""
            except self.client.exceptions.ClientError as error:
                code = answered(error)
                if code in THROTTLED:
                    self.rate.answered(0, units)
                if code != "ValidationException":
                    raise
                message = str(error.response["Error"].get("Message", code))
                with self.lock:
                    done.refused.append(Refused(item, Refusal(Reason.TARGET_REFUSED, message)))
                return 0, ""
            self.rate.answered(units, 0)
            with self.lock:
                done.items += 1
                self.items += 1
                self.requests += 1
                self.units += answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
            return 0, ""

        self.tries.until_done(once, 1)
        self.progress(1)

    def _request(self, item: Item, newer_by: str | None) -> dict[str, Any]:
        request: dict[str, Any] = {
            "TableName": self.table.name,
            "Item": for_client(item),
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": self.table.partition[0]},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            "ReturnConsumedCapacity": "TOTAL",
        }
        if newer_by is not None and newer_by in item:
            request["ConditionExpression"] += " OR #age <= :age"
            request["ExpressionAttributeNames"]["#age"] = newer_by
            request["ExpressionAttributeValues"] = {":age": for_client({newer_by: item[newer_by]})[newer_by]}
        return request
