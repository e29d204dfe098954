"""Every error class says what happened and what to do, and docs/errors.md says the same."""

from __future__ import annotations

import re

import pytest

from billio_pipeline.cli.errors_reference import PAGE, cause, classes, main
from billio_pipeline.errors import BillioError, ConfigurationError, TransientError

STALE = "docs/errors.md is stale: run python -m billio_pipeline.cli.errors_reference"


@pytest.mark.parametrize("error", classes(), ids=lambda each: each.__name__)
def test_every_error_class_has_a_code_a_cause_and_a_remedy_of_its_own(error: type[BillioError]) -> None:
    own = vars(error)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", own["code"])
    assert len(cause(error)) > 20
    assert cause(error).endswith(".")
    assert len(own["remedy"]) > 10
    assert error.exit_code in (1, 2, 130)  # 130: what a shell answers for Ctrl-C


def test_no_two_error_classes_share_a_code() -> None:
    codes = [each.code for each in classes()]
    assert len(set(codes)) == len(codes)


def test_the_errors_page_is_fresh_and_names_every_class() -> None:
    assert main(["--check"]) == 0, STALE
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{each.code}` | {each.exit_code} |" in page for each in classes())


def test_a_class_added_without_running_the_generator_makes_the_page_stale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ConfigurationError, "remedy", "Another remedy altogether.")
    assert main(["--check"]) == 1
    assert STALE in capsys.readouterr().err


def test_an_error_without_a_remedy_of_its_own_gives_that_of_its_class() -> None:
    assert str(TransientError("lost")).startswith("lost\n  → Run the same command again")
    assert TransientError("lost", remedy="Wait.").as_dict() == {
        "code": "transient",
        "message": "lost",
        "remedy": "Wait.",
    }
