"""The Dagster UI shows the graph and the checks of a real run: webserver, storage and pictures are the real ones."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from contextlib import suppress
from itertools import chain
from pathlib import Path

import dagster as dg
import pytest
from exports import write_export

from assets.billio.generator import generate, planted
from assets.billio.model import SYSTEM
from billio_pipeline.definitions import defs
from billio_pipeline.local.ports import free_port
from billio_pipeline.stores.dynamodb.scan import wire_line

pytestmark = [pytest.mark.ui, pytest.mark.xdist_group("ui")]  # one run to look at, not one per worker

ROOT = Path(__file__).parents[2]
ITEMS = 120
CHECKS_SIZE = (1600, 1000)
LINEAGE_SIZE = (1600, 1700)  # the graph fits the width; nodes out of sight are not in the page
DEADLINE = 60.0
LINEAGE = "/locations/billio_pipeline.definitions/asset-groups/billio/lineage"
CHECKS = "/assets/billio/loaded/Book?view=checks"


@pytest.fixture(scope="module")
def home(tmp_path_factory, postgres_server):
    """A DAGSTER_HOME in which migrate_billio has run once: a few hundred items, a few of them to refuse."""
    folder = tmp_path_factory.mktemp("ui")
    items = chain(generate(ITEMS), (plant.item for plant in planted()))
    export = write_export(folder / "export", [[wire_line(item) for item in items]])
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    database = postgres_server.create("template_dsql")
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.from_config(str(folder)) as instance:
        patch.setenv("BILLIO_POSTGRES_DSN", postgres_server.dsn(database))
        patch.setenv("BILLIO_HOME", str(folder / "billio"))
        defs.resolve_job_def(f"migrate_{SYSTEM.name}").execute_in_process(
            instance=instance,
            run_config={"resources": {"migration": {"config": {"export": str(export)}}}},
            raise_on_error=False,
        )
    yield folder
    postgres_server.drop(database)


@pytest.fixture(scope="module")
def ui(home):
    """Address of a webserver showing that home with the real definitions."""
    port = free_port()
    command = [sys.executable, "-m", "dagster_webserver", "-m", "billio_pipeline.definitions", "-p", str(port)]
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    with (home / "webserver.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + DEADLINE
        while not answers(address):
            if time.monotonic() > until or server.poll() is not None:
                pytest.fail(f"no webserver\n{(home / 'webserver.log').read_text()[-3000:]}")
            time.sleep(0.1)
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)  # with the code server it started
        server.wait(timeout=20)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def ask(address: str, query: str) -> dict:
    """Answer of the UI's own GraphQL."""
    request = urllib.request.Request(
        f"{address}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        body = json.load(answer)
    assert "errors" not in body, body
    return body["data"]


def look(chromium: str, url: str, folder: Path, name: str, size: tuple[int, int]) -> tuple[str, Path]:
    """The page's DOM and picture once its scripts have come to rest."""
    picture = folder / f"{name}.png"
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        f"--user-data-dir={folder / name}", f"--window-size={size[0]},{size[1]}", "--virtual-time-budget=20000",
        "--dump-dom", f"--screenshot={picture}", url,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, start_new_session=True)
    assert done.returncode == 0, done.stderr[-2000:]
    header = picture.read_bytes()[:24]
    assert header.startswith(b"\x89PNG\r\n\x1a\n")
    assert (int.from_bytes(header[16:20]), int.from_bytes(header[20:24])) == size
    return done.stdout, picture


def distinct_lines(picture: Path) -> int:
    """How many different rows of pixels a PNG has; a blank page has a few, a page with something on it hundreds."""
    data = picture.read_bytes()
    pixels, at, height = b"", 8, int.from_bytes(data[20:24])
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        pixels += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    raw = zlib.decompress(pixels)
    line = len(raw) // height
    return len({raw[start : start + line] for start in range(0, len(raw), line)})


def keep(picture: Path) -> None:
    """Into docs/, when the README's pictures are to be made anew."""
    if os.environ.get("BILLIO_WRITE_SCREENSHOTS") == "1":
        (ROOT / "docs").mkdir(exist_ok=True)
        shutil.copyfile(picture, ROOT / "docs" / picture.name)


def test_the_graph_shows_every_asset(chromium, ui, tmp_path):
    nodes = ask(ui, "{ assetNodes { assetKey { path } groupName assetMaterializations(limit: 1) { runId } } }")
    found = {"/".join(node["assetKey"]["path"]): node for node in nodes["assetNodes"]}
    names = [entity.name for entity in SYSTEM.entities]
    stages = [f"billio/{stage}/{name}" for stage in ("rows", "loaded") for name in names]
    assert set(found) >= {"billio/export", "billio/quarantine", "billio/schema", "billio/items", *stages}
    assert all(node["assetMaterializations"] for key, node in found.items() if key.startswith("billio/"))

    dom, picture = look(chromium, f"{ui}{LINEAGE}", tmp_path, "lineage", LINEAGE_SIZE)
    for name in ("export", "quarantine", "schema", "items", *names):
        assert name in dom
    assert distinct_lines(picture) > 150
    keep(picture)


def test_an_assets_checks_show_their_counts(chromium, ui, tmp_path):
    query = """{ assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks {
        name blocking executionForLatestMaterialization { status evaluation { success
        metadataEntries { label ... on IntMetadataEntry { intValue } } } } } } } } }"""
    nodes = {"/".join(node["assetKey"]["path"]): node for node in ask(ui, query)["assetNodes"]}
    checks = {check["name"]: check for check in nodes["billio/loaded/Book"]["assetChecksOrError"]["checks"]}
    assert {"count", "rows_equal"} <= set(checks)
    assert checks["count"]["blocking"]
    evaluation = checks["count"]["executionForLatestMaterialization"]["evaluation"]
    numbers = {entry["label"]: entry.get("intValue") for entry in evaluation["metadataEntries"]}
    assert evaluation["success"]
    assert numbers["source"] > 0
    assert (numbers["missing"], numbers["extra"]) == (0, 0)

    dom, picture = look(chromium, f"{ui}{CHECKS}", tmp_path, "checks", CHECKS_SIZE)
    assert "count" in dom
    assert "rows_equal" in dom
    assert distinct_lines(picture) > 150
    keep(picture)
