"""The documentation says what the code does: every reason, every check, every setting; links and named tests exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from billio_pipeline.cli.systems import systems
from billio_pipeline.model.refusal import Reason
from billio_pipeline.model.words import RESERVED
from billio_pipeline.report.checks import CHECKS
from billio_pipeline.report.reasons import REASONS
from billio_pipeline.settings import CHECKOUT, dsn_variable

DOCS = CHECKOUT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), CHECKOUT / "README.md"])
NAMES = {
    "manifest_complete", "reversible", "quarantine_empty", "complete", "count", "rows_equal", "references_valid",
    "rules_hold", "parity", "schema_matches", "series_follow_last_season", "category_derivable", "shelves_known",
    "fast_share", "keys", "gsi_members", "archived", "exported", "orphans", "ttl_plausible", "item_sizes",
    "hottest_key",
}  # fmt: skip


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """The anchors that the headings of a Markdown page get, as GitHub makes them."""
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("reason", list(Reason))
def test_every_quarantine_reason_is_explained(reason: Reason) -> None:
    about = REASONS[reason]
    assert f"| `{reason}` | {about.cause} | {about.remedy} |" in page("guarantees")


def test_every_check_is_described_and_no_other() -> None:
    assert set(CHECKS) == NAMES


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_the_guarantees_say_of_a_check_what_the_ui_says(name: str) -> None:
    row = next(line for line in page("guarantees").splitlines() if line.startswith(f"| `{name}` |"))
    about = CHECKS[name]
    assert [about.proves, about.catches, about.cannot_see] == [cell.strip() for cell in row.split("|")[3:6]]


def test_the_reserved_key_is_documented_under_its_own_name() -> None:
    assert f"`{RESERVED}`" in page("guarantees")


def test_every_setting_is_documented_and_no_other() -> None:
    sources = (
        "billio_pipeline/settings.py",
        "billio_pipeline/logs.py",
        "resources/notifier.py",
        "resources/instance_storage.py",
    )
    text = "".join((CHECKOUT / source).read_text(encoding="utf-8") for source in sources)
    read = set(re.findall(r'"((?:BILLIO|DSQL|AWS|DAGSTER)_[A-Z0-9_]+)"', text))
    read |= {dsn_variable(system.name) for system in systems().values() if system.kinds[0] == "postgres"}
    table = page("aws").split("## Settings")[1].split("\n## ")[0]
    documented = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([A-Z]+_[A-Z0-9_]+)`", line)
    }
    assert read == documented


def test_every_policy_is_json_that_names_its_resources() -> None:
    policies = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page("aws"), re.DOTALL)]
    assert len(policies) == 3
    for statement in [statement for policy in policies for statement in policy["Statement"]]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert all("*" not in action for action in actions)
        assert statement["Resource"] != "*"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        leads_to = path if not name else (path.parent / name).resolve()
        assert leads_to.exists(), f"{path.name} links to {link}"
        if anchor:
            assert anchor in anchors(leads_to.read_text(encoding="utf-8")), f"{path.name} links to {link}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_files_that_are_named_exist(path: Path) -> None:
    named = re.findall(r"`((?:tests|billio_pipeline|assets|resources)/[\w./]+)`", path.read_text(encoding="utf-8"))
    assert [name for name in named if not (CHECKOUT / name).exists()] == []
