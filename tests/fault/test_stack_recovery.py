"""A stack that was killed, or whose state was lost or is stale, is recovered from by the next `up`, or explained."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import psutil
import psycopg
import pytest
from servers import working_below

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.local.stack import Stack
from billio_pipeline.local.state import StackState, save
from billio_pipeline.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture
def taken() -> Iterator[int]:
    """A port some other program listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def kill(pid: int) -> None:
    process = psutil.Process(pid)
    process.kill()
    process.wait()


def remember(state: StackState) -> None:
    with psycopg.connect(state.postgres_dsn) as connection:
        connection.execute("CREATE TABLE remembered (n integer)")


def assert_sound(settings: Settings, before: StackState) -> None:
    """Healthy, the data there, one postmaster, and stoppable without a trace."""
    stack = Stack(settings)
    state = stack.up()
    assert all(part.healthy for part in stack.status())
    with psycopg.connect(state.postgres_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM remembered").fetchone() == (0,)
    assert state.admin_dsn is not None
    assert before.admin_dsn is not None
    stack.down()
    assert working_below(settings.home) == []


def test_every_process_killed(settings: Settings) -> None:
    state = Stack(settings).up()
    remember(state)
    for pid in state.pids.values():
        kill(pid)
    assert not any(part.healthy for part in Stack(settings).status())
    assert_sound(settings, state)


def test_postmaster_killed_while_a_backend_is_busy(settings: Settings) -> None:
    state = Stack(settings).up()
    remember(state)
    busy = psycopg.connect(state.postgres_dsn)
    busy.execute("SELECT 1")
    kill(state.pids["postgres"])
    assert_sound(settings, state)
    busy.close()


def test_the_state_file_is_lost(settings: Settings) -> None:
    state = Stack(settings).up()
    remember(state)
    Stack(settings).state_file.unlink()
    assert Stack(settings).up() == state, "the running stack is found, not started beside"
    assert_sound(settings, state)


def test_down_after_the_state_file_is_lost(settings: Settings) -> None:
    Stack(settings).up()
    Stack(settings).state_file.unlink()
    assert Stack(settings).down() is True
    assert working_below(settings.home) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pids": 3}'], ids=["empty", "torn", "list", "foreign"])
def test_the_state_file_is_damaged(settings: Settings, text: str) -> None:
    stack = Stack(settings)
    stack.folder.mkdir(parents=True)
    stack.state_file.write_text(text)
    assert stack.state() is None
    assert [part.running for part in stack.status()] == [False, False]


def test_pids_now_belong_to_other_programs(settings: Settings) -> None:
    """State file, postmaster.pid and all name a bystander: it is neither taken for the stack nor signalled."""
    stack = Stack(settings)
    state = stack.up()
    remember(state)
    data = next(stack.folder.glob("postgres/data-*"))
    pidfile = (data / "postmaster.pid").read_text().splitlines()
    for pid in state.pids.values():
        kill(pid)
    with psutil.Popen(["sleep", "600"]) as bystander:
        pidfile[0] = str(bystander.pid)
        (data / "postmaster.pid").write_text("\n".join(pidfile) + "\n")
        save(stack.state_file, replace(state, pids={"postgres": bystander.pid, "dynamodb": bystander.pid}))
        assert not any(part.running for part in stack.status())
        assert_sound(settings, state)
        assert bystander.poll() is None
        bystander.kill()


def test_the_ports_used_last_are_taken(settings: Settings, taken: int) -> None:
    stack = Stack(settings)
    state = stack.up()
    remember(state)
    stack.down()
    save(stack.state_file, replace(state, pids={}, ports={"postgres": taken, "dynamodb": taken}))
    assert taken not in stack.up().ports.values()
    assert_sound(settings, state)


@pytest.mark.parametrize("component", ["postgres", "dynamodb"])
def test_a_configured_port_is_taken(settings: Settings, taken: int, component: str) -> None:
    asked = replace(settings, **{f"{component}_port": taken})
    with pytest.raises(ConfigurationError, match=f"port {taken} on 127.0.0.1 is in use") as raised:
        Stack(asked).up()
    assert f"BILLIO_{component.upper()}_PORT" in raised.value.remedy
    assert raised.value.exit_code == 2


def test_the_data_folder_is_half_initialised(settings: Settings) -> None:
    stack = Stack(settings)
    state = stack.up()
    stack.down()
    folder = stack.folder / "postgres"
    data = next(folder.glob("data-*"))
    (data / "billio-credentials.json").unlink()  # the last thing written before the folder gets its name
    (folder / "new-0badf00d").mkdir()
    again = stack.up()
    assert all(part.healthy for part in stack.status())
    assert again.postgres_dsn != state.postgres_dsn
    assert not (folder / "new-0badf00d").exists()
    assert len(list(folder.glob("data-*.unusable.*"))) == 1, "what was there is set aside, not deleted"


def test_a_first_start_was_killed_before_its_database_was_guarded(settings: Settings) -> None:
    stack = Stack(settings)
    state = stack.up()
    assert state.admin_dsn is not None
    with psycopg.connect(state.admin_dsn, autocommit=True) as connection:
        connection.execute("COMMENT ON DATABASE billio IS NULL")
        connection.execute("DROP SCHEMA dsql_guard CASCADE")
    stack.up()
    with psycopg.connect(state.postgres_dsn) as connection:
        found = connection.execute("SELECT to_regnamespace('dsql_guard') IS NOT NULL").fetchone()
    assert found == (True,)


def test_a_shell_in_the_stacks_folder_survives_down(settings: Settings) -> None:
    stack = Stack(settings)
    stack.up()
    with psutil.Popen(["sleep", "600"], cwd=stack.folder / "dynamodb") as shell:
        stack.down()
        assert shell.poll() is None
        shell.kill()
