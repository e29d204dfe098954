"""docs/cli.md is what the command line says of itself, whatever terminal it was asked on."""

from __future__ import annotations

import pytest
import typer

from billio_pipeline.cli.reference import PAGE, main, reference

STALE = "docs/cli.md is stale: run python -m billio_pipeline.cli.reference"


def example() -> typer.Typer:
    app = typer.Typer(help="An example.", rich_markup_mode="rich")
    group = typer.Typer(help="A group.")
    app.add_typer(group, name="group")

    @group.command()
    def inner(
        number: int = typer.Option(3, help="How many, of those there are, in a text that is longer than a line is."),
    ):
        """Do the inner thing."""

    @app.command(hidden=True)
    def secret() -> None:
        """Not for people."""

    return app


def test_the_reference_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, STALE


def test_a_stale_reference_is_said_to_be_stale(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("billio_pipeline.cli.reference._HEAD", "# Another head\n")
    assert main(["--check"]) == 1
    assert STALE in capsys.readouterr().err
    assert not PAGE.read_text(encoding="utf-8").startswith("# Another head")


def test_commands_are_listed_to_any_depth_and_hidden_ones_are_not() -> None:
    text = reference(typer.main.get_command(example()), "example")
    assert "#### example group inner" in text
    assert "Do the inner thing." in text
    assert "secret" not in text


@pytest.mark.parametrize("columns", ["20", "300"])
def test_the_reference_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    usual = reference(typer.main.get_command(example()), "example")
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERMINAL_WIDTH", columns)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert reference(typer.main.get_command(example()), "example") == usual
    assert "\x1b" not in usual
    assert "│" not in usual
