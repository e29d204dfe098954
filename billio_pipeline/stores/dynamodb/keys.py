"""The key of an item, as requests name it; what it is says model/keys.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billio_pipeline.model.keys import Key, item_key, key_text
from billio_pipeline.model.tables import DynamoTable

__all__ = ["Key", "item_key", "key_of", "key_text"]


def key_of(table: DynamoTable, item: Mapping[str, Any]) -> dict[str, Any]:
    """The key's own attributes, as requests name an item."""
    return {name: item[name] for name, _ in table.key}
