"""`billio dev`: the embedded stack, demo data and the Dagster UI in the foreground; Ctrl-C stops all of it."""

from __future__ import annotations

import contextlib
import http.client
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer

from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.errors import ConfigurationError, TerminalError
from billio_pipeline.settings import CHECKOUT, Settings

if TYPE_CHECKING:
    from billio_pipeline.local.supervise import Foreground

HOST = "127.0.0.1"


def dev(
    port: Annotated[int, typer.Option(help="Where the Dagster UI listens on 127.0.0.1.", min=1, max=65_535)] = 3000,
    demo: Annotated[bool, typer.Option(help="Load demo data first if there is none.")] = True,
    json: JsonOption = False,
) -> None:
    """Run the embedded stack and the Dagster UI with data, until Ctrl-C; then stop what this command started."""
    from billio_pipeline.cli.stack import environment
    from billio_pipeline.local.stack import Stack
    from billio_pipeline.local.supervise import Foreground

    out = Output(json)
    with out.guarded():
        settings = Settings.from_env()
        stack = Stack(settings)
        ran_before = all(part.healthy for part in stack.status())
        with Foreground(stack.folder / "dev.json") as foreground:
            try:
                if foreground.clear_up("billio dev"):
                    out.console.print("ended what a killed `billio dev` had left running")
                _port_free(port)
                state = stack.up(say=out.console.print)
                os.environ.update(environment(settings))
                if demo and not _has_items(state.postgres_dsn):
                    _run_demo(Settings.from_env(), out)
                _serve(foreground, port, settings, out)
            except KeyboardInterrupt:
                out.console.print("interrupted")
            finally:
                foreground.hold()
                if not ran_before:
                    out.console.print("stopping the stack (its data is kept)")
                    stack.down()


def _serve(foreground: Foreground, port: int, settings: Settings, out: Output) -> None:
    url = f"http://{HOST}:{port}"

    def ready() -> bool:
        if not _answers(port):
            return False
        out.console.print(f"[bold green]Dagster is ready[/]: {url}   (Ctrl-C stops it and the stack)")
        out.emit({"url": url})
        return True

    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    out.console.print(f"starting Dagster on {url} …")
    ended = foreground.run(_command(port), os.environ, _root(), ready, quiet=out.json)
    if ended.by is None:
        raise TerminalError(f"Dagster ended by itself with code {ended.code}", remedy="Its own messages are above.")


def _root() -> Path:
    return CHECKOUT if (CHECKOUT / "workspace.yaml").exists() else Path.cwd()


def _command(port: int) -> list[str]:
    workspace = _root() / "workspace.yaml"
    where = ["-w", str(workspace)] if workspace.exists() else ["-m", "billio_pipeline.definitions"]
    # `dagster dev` recommends `dg dev`, which is a development tool and not among what a deployment installs.
    quietly = ["-W", "ignore:Function `dev_command`"]
    return [
        sys.executable,
        *quietly,
        "-m",
        "dagster",
        "dev",
        *where,
        "-h",
        HOST,
        "-p",
        str(port),
        "--log-level",
        "warning",
    ]


def _port_free(port: int) -> None:
    from billio_pipeline.local.ports import is_free

    if not is_free(port):
        raise ConfigurationError(
            f"port {port} on {HOST} is in use by another program",
            remedy="Stop that program, or choose another: billio dev --port 3001",
        )


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/server_info")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def _has_items(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        if connection.execute("SELECT to_regclass('public.items')").fetchone() == (None,):
            return False
        return connection.execute("SELECT 1 FROM items LIMIT 1").fetchone() is not None


def _run_demo(settings: Settings, out: Output) -> None:
    from billio_pipeline.cli.demo import run_demo

    out.console.print("no data yet: running the demo first")
    spoken = Output(json=False)  # its own JSON is not ours
    spoken.console = out.console
    run_demo(settings, spoken, keep=True)
