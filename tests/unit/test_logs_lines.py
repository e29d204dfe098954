"""Logs are JSON lines when asked for, lines for people otherwise, and never hold a secret."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from billio_pipeline import logs
from billio_pipeline.errors import ConfigurationError, ExportError

SECRETS = ("hunter2", "s3cr3t", "AKIDSIGNED")
DSN = "postgresql://admin:hunter2@db.example/billio"


@pytest.fixture
def restored() -> Iterator[None]:
    """The loggers as they were, once the test is over."""
    named = [logging.getLogger(name) for name in logs.LOGGERS]
    before = [(each, each.handlers[:], each.level, each.propagate) for each in named]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def said(form: str, level: str = "DEBUG") -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    logs.configure({"BILLIO_LOG": form, "BILLIO_LOG_LEVEL": level}, stream)
    return logging.getLogger("billio_pipeline.somewhere"), stream


@pytest.mark.usefixtures("restored")
def test_each_record_is_one_json_object_on_one_line() -> None:
    log, stream = said("json")
    log.info("loaded %d rows\nof Book", 7, extra={"entity": "Book", "retries": {"40001": 3}})
    log.warning("later", extra={"message_": "no clash", "level": "an extra can't replace a field"})
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["message"] == "loaded 7 rows\nof Book"
    assert (first["level"], first["logger"], first["retries"]) == ("INFO", "billio_pipeline.somewhere", {"40001": 3})
    assert first["time"].endswith("+00:00")
    assert second["level"] == "WARNING"


@pytest.mark.usefixtures("restored")
def test_an_error_is_logged_with_its_code_details_and_traceback() -> None:
    log, stream = said("json")
    try:
        raise ExportError("part.gz: damaged", file="part.gz", expected="md5 1", found="md5 2")
    except ExportError:
        log.exception("failed")
    error = json.loads(stream.getvalue())["error"]
    assert (error["class"], error["code"], error["file"]) == ("ExportError", "bad_export", "part.gz")
    assert "Traceback" in json.loads(stream.getvalue())["traceback"]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("form", logs.FORMS)
def test_no_secret_is_logged_wherever_it_hides(form: str) -> None:
    log, stream = said(form)
    log.warning("can't reach %s", DSN)
    log.warning("password=s3cr3t in the text", extra={"where": {"deep": [DSN]}, "password": "hunter2", "dsn": "s3cr3t"})
    log.warning("signed", extra={"url": "https://s3/?X-Amz-Signature=AKIDSIGNED&x=1", "api_token": object()})
    try:
        raise ConfigurationError(f"can't connect to {DSN}", target=DSN)
    except ConfigurationError:
        log.exception("failed")
    assert stream.getvalue().count("\n") >= 4
    assert not [secret for secret in SECRETS if secret in stream.getvalue()]
    assert "db.example" in stream.getvalue()


@pytest.mark.usefixtures("restored")
def test_people_get_a_line_with_its_fields_behind_it() -> None:
    log, stream = said("human")
    log.info("loaded", extra={"rows": 7})
    assert stream.getvalue().rstrip().endswith("info     loaded rows=7")


@pytest.mark.usefixtures("restored")
def test_levels_below_the_one_asked_for_are_not_said_and_asking_again_says_nothing_twice() -> None:
    said("json", "INFO")
    log, stream = said("json", "ERROR")
    log.warning("not this")
    log.error("this")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["this"]


@pytest.mark.parametrize("name", ["BILLIO_LOG", "BILLIO_LOG_LEVEL"])
def test_a_setting_that_means_nothing_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        logs.configure({name: "loud"})


def test_json_lines_go_to_stderr_and_leave_stdout_alone() -> None:
    code = "import logging; from billio_pipeline import logs; logs.configure(); " + (
        "logging.getLogger('billio_pipeline.x').info('said'); print('answer')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"BILLIO_LOG": "json", "BILLIO_LOG_LEVEL": "info"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "answer\n"
    assert json.loads(done.stderr)["message"] == "said"
