"""ThriveCalc's data store: asked the same in the same order, a table and a folder answer the same."""

from __future__ import annotations

import secrets
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from thrive_places import in_objects, in_table, ticking

from assets.thrivecalc.store import UserData
from billio_pipeline.errors import InputError
from billio_pipeline.settings import Settings

users = st.sampled_from(["Ada@x", "ada@x"])
kinds = st.sampled_from(["account", "account#x", "a"])
ids = st.sampled_from(["one", "x#one", "#", "x#x#one"])
values = st.sampled_from([{}, {"a": Decimal("0.10")}, [1, None, ""], "text"])
operations = st.lists(
    st.tuples(st.sampled_from(["save", "save", "update", "delete", "get", "list", "all"]), users, kinds, ids, values),
    max_size=12,
)


def answer(store: UserData, operation: tuple[str, str, str, str, Any]) -> Any:
    """What the store answers, or why it refuses; a rival's names, which only the one store knows, left out."""
    what, user, kind, id, data = operation
    try:
        match what:
            case "save":
                return store.save_user_data(user, kind, data, id)
            case "update":
                return store.update_user_data(user, kind, id, data)
            case "delete":
                return store.delete_user_data(user, kind, id)
            case "get":
                return store.get_user_data(user, kind, id)
            case "list":
                return store.list_user_data(user, kind)
        return store.list_all_user_data(user)
    except InputError as error:
        return type(error), error.message.split(":")[0]


@pytest.fixture
def both(settings: Settings, ministack: str, tmp_path: Path) -> tuple[UserData, UserData]:
    local = replace(settings, dynamodb_endpoint=ministack)
    return in_table(local, page=2).store, in_objects(local, tmp_path).store


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=operations)
def test_whatever_is_asked_both_stores_answer_the_same(
    both: tuple[UserData, UserData], operations: list[tuple[str, str, str, str, Any]]
) -> None:
    run = secrets.token_hex(4)  # users of its own, as what earlier examples wrote is still there
    table, folder = (replace(store, clock=ticking()) for store in both)
    for what, user, kind, id, data in operations:
        operation = what, f"{user}{run}", kind, id, data
        assert answer(table, operation) == answer(folder, operation)
    for user in ("Ada@x", "ada@x"):
        everything = table.list_all_user_data(f"{user}{run}")
        assert everything == folder.list_all_user_data(f"{user}{run}")
