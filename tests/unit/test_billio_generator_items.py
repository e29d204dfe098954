"""The generator's promises: same seed same items, and data with the shapes and defects the demo needs."""

from __future__ import annotations

from collections import Counter, defaultdict

import orjson
import pytest

from assets.billio.generator import generate, planted
from assets.billio.model import SHELVES, SYSTEM
from billio_pipeline.codec.compile import Refused, compile
from billio_pipeline.codec.wire import parse
from billio_pipeline.model.canonical import canonical_item
from billio_pipeline.model.refusal import Reason

ITEMS = list(generate(4000))
CODEC = compile(SYSTEM)
FOUND_BY_SETTLE = {
    Reason.KEY_CONFLICT,
    Reason.REFERENCE_MISSING,
    Reason.REFERENCE_WRONG_TYPE,
    Reason.REFERENCE_REFUSED,
}


def kind(item: dict) -> str:
    return item["type"]["S"]


def test_deterministic_for_one_seed() -> None:
    assert list(generate(4000)) == ITEMS
    assert ITEMS[100] != list(generate(101, seed=1))[100]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 17, 64])
def test_exact_count_however_series_group(count: int) -> None:
    for seed in range(20):
        assert len(list(generate(count, seed))) == count


def test_realistic_share_of_every_type() -> None:
    shares = Counter(map(kind, ITEMS))
    assert set(shares) == {*SHELVES, "Movie"}
    assert all(shares[name] > 200 for name in SHELVES)
    assert 0 < shares["Movie"] < 100


def test_every_item_loads_and_rebuilds() -> None:
    for item in ITEMS:
        parsed = parse(orjson.dumps({"Item": item}))
        assert isinstance(parsed, dict), parsed
        found = CODEC.to_row(parsed)
        assert not isinstance(found, Refused), found
        assert canonical_item(CODEC.to_item(*found)) == canonical_item(item)


def test_seasons_follow_their_series_and_series_their_last_season() -> None:
    series = {item["id"]["S"]: item for item in ITEMS if kind(item) == "TvSeries"}
    seasons = defaultdict(list)
    for item in ITEMS:
        if kind(item) == "TvSeason":
            seasons[item["seriesId"]["S"]].append(item)
    assert seasons.keys() <= series.keys()
    assert any(len({s["seasonNumber"]["N"] for s in each}) < len(each) for each in seasons.values()), "no rewatch"
    for id, each in seasons.items():
        last = max(each, key=lambda season: int(season["seasonNumber"]["N"]))
        for name in ("rating", "shelf", "movedAt"):
            assert series[id].get(name) == last.get(name)


def test_all_ten_types_and_every_oddity_occur() -> None:
    tags = {tag for item in ITEMS for name, wire in item.items() if name.startswith("x-") for tag in wire}
    assert tags == {"S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"}
    images = [item["image"] for item in ITEMS if "image" in item]
    assert {"M": {}} in images
    assert {"NULL": True} in images
    assert {"L": []} in [image.get("M", {}).get("sizes") for image in images]
    assert {"M": {}} in [image.get("M", {}).get("sizes") for image in images]
    assert {"NULL": True} in [item.get("rating") for item in ITEMS]
    assert any("movedAt:type:id" in item for item in ITEMS)
    assert any("platformIds" in item for item in ITEMS)
    assert any(int(item["movedAt"]["N"]) < 1_262_304_000_000 for item in ITEMS), "none before 2010"
    assert max(Counter(item["movedAt"]["N"] for item in ITEMS).values()) > 5, "no ties"


def test_iso_times_only_when_asked_for() -> None:
    def written(items: list[dict]) -> int:
        return sum("S" in item[name] for item in items for name in ("addedAt", "movedAt"))

    assert written(ITEMS) == 0
    assert 5 < written(list(generate(1000, iso_times=True))) < 60


def test_planted_items_deserve_their_reason() -> None:
    plants = planted()
    assert plants == planted()
    assert {plant.reason for plant in plants} > FOUND_BY_SETTLE
    for plant in plants:
        parsed = parse(orjson.dumps({"Item": plant.item}))
        found = CODEC.to_row(parsed) if isinstance(parsed, dict) else parsed
        if plant.reason in FOUND_BY_SETTLE:
            assert not isinstance(found, Refused), plant
        else:
            assert (found.refusal if isinstance(found, Refused) else found).reason == plant.reason


def test_planted_season_refers_to_the_first_generated_book() -> None:
    (wrong,) = [plant.item for plant in planted(3) if plant.reason == Reason.REFERENCE_WRONG_TYPE]
    first = next(generate(500, 3))
    assert (kind(first), first["id"]) == ("Book", wrong["seriesId"])
