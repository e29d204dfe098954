"""boto3's own deserialiser, made to take an export's binary, which is base64 text where boto3 wants bytes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer


class _Deserializer(TypeDeserializer):
    def _deserialize_b(self, value: str) -> Binary:
        return super()._deserialize_b(base64.b64decode(value))

    def _deserialize_bs(self, value: list[str]) -> set[Binary]:
        return set(map(self._deserialize_b, value))


deserialize: Callable[[dict[str, Any]], Any] = _Deserializer().deserialize
