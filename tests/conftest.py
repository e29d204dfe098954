"""Fixtures every test may use: real servers shared by the whole run, a fresh database per test, settings of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import servers
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from billio_pipeline.settings import Settings

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OURS = ("BILLIO_", "DSQL_", "DAGSTER_", "PG")
KEPT = {servers.RUN, "BILLIO_REQUIRE_UI", "BILLIO_WRITE_SCREENSHOTS"}

# In CI the same commit tries the same examples; at home each run tries others.
hypothesis_settings.register_profile(
    "default",
    max_examples=200,
    deadline=None,
    print_blob=True,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.register_profile("quick", hypothesis_settings.get_profile("default"), max_examples=25)
hypothesis_settings.load_profile("default")


def pytest_configure(config: pytest.Config) -> None:
    """Forget the user's own stack and accounts; the controlling process opens the run's folder."""
    aws = "aws" in config.getoption("-m")
    for name in list(os.environ):
        if (
            name not in KEPT
            and not (aws and name == "BILLIO_DSQL_ENDPOINT")
            and (name.startswith(OURS) or (name.startswith("AWS_") and not aws))
        ):
            del os.environ[name]
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
    if not aws:
        # Dummies, so that no test finds a real account or waits for a metadata service.
        os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
        os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    if not hasattr(config, "workerinput"):
        servers.begin_run()
    os.environ["BILLIO_HOME"] = f"{os.environ[servers.RUN]}/home"


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the run's servers, whatever became of the tests."""
    if not hasattr(config, "workerinput") and servers.RUN in os.environ:
        servers.end_run(Path(os.environ.pop(servers.RUN)))


LONGEST_FIRST = ("ui", "scenario", "fault", "property", "unit")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal the modules out to the workers, each taking its longest first, so that none is left alone at the end."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(places)))
    modules = list(dict.fromkeys(item.path for item in items))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    dealt = [path for hand in range(workers) for path in modules[hand::workers]]
    items.sort(key=lambda item: dealt.index(item.path))
    if "aws" not in config.getoption("-m"):
        for item in items:
            if item.get_closest_marker("aws"):
                item.add_marker(pytest.mark.skip(reason="needs a real AWS account: pytest -m aws"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "no Chromium" in str(report.longrepr)]
    if skipped:
        terminalreporter.write_sep("!", f"{len(skipped)} UI tests were SKIPPED: no Chromium on PATH", yellow=True)


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Each test leaves the environment as it found it: commands run in-process hand addresses on by it."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def run_folder() -> Path:
    """The run's folder; other accounts may pass through it (PostgreSQL needs that when tests run as root)."""
    return Path(os.environ[servers.RUN])


@pytest.fixture(scope="session")
def postgres_server(run_folder: Path) -> servers.TestPostgres:
    """The run's PostgreSQL: `.dsn(database)`, `.admin_dsn(database or DSN)` for what needs a superuser."""
    return servers.shared_postgres(run_folder)


@pytest.fixture
def dsql_database(postgres_server: servers.TestPostgres) -> Iterator[str]:
    """DSN of a fresh, empty database in DSQL mode (guard installed), connecting as an ordinary role that owns it."""
    name = postgres_server.create("template_dsql")
    yield postgres_server.dsn(name)
    postgres_server.drop(name)


@pytest.fixture
def postgres_database(postgres_server: servers.TestPostgres) -> Iterator[str]:
    """DSN of a fresh, empty, plain database, connecting as an ordinary role that owns it."""
    name = postgres_server.create("template_plain")
    yield postgres_server.dsn(name)
    postgres_server.drop(name)


@pytest.fixture(scope="session")
def ministack(run_folder: Path) -> str:
    """Endpoint URL of a DynamoDB and S3 API shared by the whole run: give tables and buckets random names."""
    return servers.shared_ministack(run_folder)


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> str:
    """A region of the test's own, in which no table or ledger is there yet: for tests under tables' declared names."""
    name = f"test-{secrets.token_hex(4)}-1"
    monkeypatch.setenv("AWS_REGION", name)
    return name


@pytest.fixture
def settings(run_folder: Path) -> Iterator[Settings]:
    """Settings with a home and a DAGSTER_HOME of the test's own and no target: `replace(settings, target=dsn)`.

    A stack started in it is stopped when the test ends.
    """
    home = Path(tempfile.mkdtemp(prefix="home-", dir=run_folder))
    home.chmod(0o711)
    yield replace(Settings.from_env({"BILLIO_HOME": str(home), "BILLIO_WORKERS": "2"}), dagster_home=home / "dagster")
    servers.stop_below(home)
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium. Without one UI tests are skipped, aloud; with BILLIO_REQUIRE_UI=1 they fail."""
    for name in CHROMIUMS:
        if found := shutil.which(name):
            return found
    message = "no Chromium on PATH (tried: " + ", ".join(CHROMIUMS) + ")"
    if os.environ.get("BILLIO_REQUIRE_UI") == "1":
        pytest.fail(message)
    pytest.skip(message)
