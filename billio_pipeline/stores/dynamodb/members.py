"""Which items a secondary index holds, by their keys alone. Reads of an index are eventually consistent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from billio_pipeline.errors import TargetError
from billio_pipeline.model.keys import item_key_text
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.tables import DynamoTable, Gsi
from billio_pipeline.stores.dynamodb.retry import repeat
from billio_pipeline.stores.retry import Retries


def members(client: Any, table: DynamoTable, index: Gsi, *, retries: Retries | None = None) -> Iterator[list[str]]:
    """The table's keys (as model/keys.py writes them) of the index's items, page by page, in no order.

    Raises InputError when there is no such table or index, TransientError when the error budget is used up.
    """
    names = {f"#k{number}": name for number, (name, _) in enumerate(table.key)}
    request: dict[str, Any] = {
        "TableName": table.name,
        "IndexName": index.name,
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }
    what = f"table {table.name}, index {index.name}"
    while True:
        page = repeat(lambda: client.scan(**request), what, retries=retries)
        keys = [item_key_text(table, item) for item in page.get("Items", ())]
        if strange := next((key for key in keys if isinstance(key, Refusal)), None):
            raise TargetError(f"{what}: an item without its key, {strange.message}")
        yield [key for key in keys if isinstance(key, str)]
        if not page.get("LastEvaluatedKey"):
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
