"""Seeded, realistic Billio items as DynamoDB wire items, for the demo, tests and benchmarks; and some to refuse.

Every item is one a DynamoDB table with Billio's 8 indexes accepts: index keys have the declared type and are not
empty. The same count and seed give the same items. Streams: memory does not grow with the count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from assets.billio import invented as make
from assets.billio.invented import iso, item_of, new_id
from assets.billio.model import SHELVES
from billio_pipeline.model.refusal import Reason
from billio_pipeline.stores.dynamodb.client_form import Item

SEED = 20_250_528  # any number does; this is the day Movie became Feature
# Of 100 draws; a series brings its seasons along, which makes about 38 % books, 25 % features, 18 % seasons.
_DRAWS = {"Book": 46, "VideoGame": 14, "Feature": 30, "TvSeries": 10}
_ADDED, _MOVED = 1_614_849_300_123, 1_617_307_200_000


@dataclass(frozen=True)
class Plant:
    """One item to refuse, and why."""

    item: Item
    reason: Reason


def generate(count: int, seed: int = SEED, *, iso_times: bool = False) -> Iterator[Item]:
    """`count` items, series before their seasons; the first is a Book.

    `iso_times` writes about 1 in 50 addedAt/movedAt as ISO text, as found in items that went through a backup; a
    table with the 8 indexes refuses those (both times are index keys), so it is off unless asked for.
    """
    random = Random(seed)
    left = count
    kinds, weights = list(_DRAWS), list(_DRAWS.values())
    while left > 0:
        kind = "Book" if left == count else random.choices(kinds, weights)[0]
        group = _series(random, left - 1) if kind == "TvSeries" else [_standalone(random, kind)]
        for item in group:
            if iso_times and random.random() < 0.02:
                name = random.choice(("addedAt", "movedAt"))
                item[name] = {"S": iso(int(item[name]["N"]))}
            yield item
        left -= len(group)


def planted(seed: int = SEED) -> list[Plant]:
    """The same items for the same seed. To go with `generate(count >= 1, seed)`, whose first Book one of them names."""
    return list(_plants(Random(f"planted {seed}"), next(generate(1, seed))["id"]["S"]))


def _standalone(random: Random, kind: str) -> Item:
    legacy_movie = kind == "Feature" and random.random() < 0.04
    added = make.time(random)
    moved = added if random.random() < 0.3 else min(added + random.randrange(90 * 86_400_000), make.UNTIL)
    shelf, name = random.choice(SHELVES[kind]), "Movie" if legacy_movie else kind
    item = item_of(name, new_id(random), shelf, make.title(random), added, moved)
    match kind:
        case "Book":
            item["author"] = {"S": f"{random.choice(make.NAMES)} {random.choice(make.NAMES)}"}
            make.external_id(random, item, f"googlebooks:{random.getrandbits(60):012x}")
            make.flag(random, item, "reread")
        case "VideoGame":
            item["platforms"] = make.texts(random.sample(make.PLATFORMS, random.randrange(3)))
            item["devices"] = make.texts(random.sample(make.DEVICES, random.randrange(3)))
            make.external_id(random, item, f"igdb:{random.randrange(400)}")  # few games: replays share one
            make.flag(random, item, "replay")
            if random.random() < 0.5:
                item["hoursPlayed"] = {"N": random.choice(("50", "0", "12.5", "0.25", "1234"))}
            if random.random() < 0.06:
                item["platformIds"] = {"L": [{"N": str(random.randrange(200))}, {"N": "19"}]}
        case "Feature":
            item["releaseYear"] = {"NULL": True} if random.random() < 0.05 else {"S": str(random.randrange(1950, 2026))}
            film = random.randrange(900)  # few films: rewatches share one
            make.external_id(random, item, f"imdb:tt{film:07d}" if film % 2 else f"tmdb:{film}")
            make.flag(random, item, "rewatch")
            item["category"] = {"S": "Watching"}
    make.rating(random, item)
    return make.embellish(random, item)


def _series(random: Random, most_seasons: int) -> list[Item]:
    """A TvSeries and its seasons; its rating, shelf and movedAt are those of the season numbered highest."""
    id, tmdb, title, year = new_id(random), random.randrange(100_000), make.title(random), random.randrange(1990, 2024)
    if len(title) > 400:  # a season's title appends to it, and must fit
        title = title[:400]
    number_of_seasons = min(most_seasons, random.choices(range(9), (4, 40, 22, 14, 8, 5, 3, 2, 2))[0])
    added = make.time(random)
    times = sorted(min(added + random.randrange(400 * 86_400_000), make.UNTIL) for _ in range(number_of_seasons))
    seasons = [
        _season(random, id, tmdb, title, number, year, added, moved) for number, moved in enumerate(times, start=1)
    ]
    series = item_of("TvSeries", id, random.choice(SHELVES["TvSeries"]), title, added, times[-1] if times else added)
    if seasons:
        last = seasons[-1]
        series |= {"shelf": last["shelf"], "type:shelf": {"S": f"TvSeries:{last['shelf']['S']}"}}
        series |= {"rating": last["rating"]} if "rating" in last else {}
    else:
        make.rating(random, series)
    series |= {"releaseYear": {"S": str(year)}, "category": {"S": "Watching"}}
    series["externalId"] = {"S": f"tmdbSeries:{tmdb}"}
    if 1 < number_of_seasons < most_seasons and random.random() < 0.15:  # season 1 again, later than the last season
        again = min(times[-1] + random.randrange(1, 30 * 86_400_000), make.UNTIL)
        seasons.append(_season(random, id, tmdb, title, 1, year, again, again) | {"rewatch": {"BOOL": True}})
    return [make.embellish(random, series), *(make.embellish(random, season) for season in seasons)]


def _season(random: Random, series: str, tmdb: int, title: str, number: int, year: int, added: int, moved: int) -> Item:
    named = random.random() < 0.1
    name = f"The {random.choice(make.NOUN)} Arc" if named else f"Season {number}"
    shelf = random.choice(SHELVES["TvSeason"])
    item = item_of("TvSeason", new_id(random), shelf, f"{title}: {name}", added, moved)
    item |= {"seriesId": {"S": series}, "seasonNumber": {"N": str(number)}, "releaseYear": {"S": str(year + number)}}
    item["externalId"] = {"S": f"tmdbSeason:{tmdb}:{number}"}
    if named:
        item["seasonTitle"] = {"S": name}
    make.flag(random, item, "rewatch")
    make.rating(random, item)
    return item


def _plants(random: Random, loaded_book: str) -> Iterator[Plant]:
    def item(kind: str, title: str, shelf: str = "Read", id: str | None = None) -> Item:
        made = item_of(kind, id or new_id(random), shelf, f"Planted: {title}", _ADDED, _MOVED)
        return made | ({"author": {"S": "P. Lanted"}} if kind == "Book" else {})

    def season(title: str, series: str) -> Item:
        made = item("TvSeason", title, "Watching")
        return made | {"seriesId": {"S": series}, "seasonNumber": {"N": "1"}}

    yield Plant(item("Podcast", "no such type", "Heard"), Reason.UNKNOWN_TYPE)
    for attribute in ("shelf", "movedAt"):
        lacking = item("Book", f"no {attribute}")
        del lacking[attribute]
        yield Plant(lacking, Reason.MISSING_ATTRIBUTE)
    yield Plant(item("Book", "rating as text") | {"rating": {"S": "8"}}, Reason.WRONG_TYPE)
    yield Plant(item("Book", "upper-case id", id=new_id(random).upper()), Reason.BAD_UUID)
    yield Plant(item("Book", "rating 11") | {"rating": {"N": "11"}}, Reason.OUT_OF_RANGE)
    yield Plant(item("VideoGame", "rating 0", "Played") | {"rating": {"N": "0"}}, Reason.OUT_OF_RANGE)
    yield Plant(item("Feature", "rating 8.5", "Watched") | {"rating": {"N": "8.5"}}, Reason.FRACTIONAL)
    # With "Planted: " 501 characters, of the 1,024 bytes an index key may have.
    yield Plant(item("Book", "x" * 492), Reason.TOO_LONG)
    yield Plant(item("Book", "half a millisecond") | {"addedAt": {"N": "1614849300123.5"}}, Reason.BAD_TIME)
    yield Plant(item("Book", "year 33,658") | {"movedAt": {"N": "999999999999999"}}, Reason.TIME_OUT_OF_RANGE)
    yield Plant(item("Book", "NUL in its notes") | {"notes": {"S": "a\0b"}}, Reason.NUL_CHARACTER)
    yield Plant(item("Book", "other key") | {"type:id": {"S": f"Book:{new_id(random)}"}}, Reason.KEY_MISMATCH)
    twice = new_id(random)
    yield Plant(item("Book", "one id, two types", id=twice), Reason.KEY_CONFLICT)
    yield Plant(item("VideoGame", "one id, two types", "Played", id=twice), Reason.KEY_CONFLICT)
    yield Plant(item("Book", "in a series") | {"seriesId": {"S": new_id(random)}}, Reason.REFERENCE_NOT_ALLOWED)
    yield Plant(season("no such series", new_id(random)), Reason.REFERENCE_MISSING)
    yield Plant(season("its series is a book", loaded_book), Reason.REFERENCE_WRONG_TYPE)
    refused = item("TvSeries", "rating 12", "Watching") | {"rating": {"N": "12"}}
    yield Plant(refused, Reason.OUT_OF_RANGE)
    yield Plant(season("its series was refused", refused["id"]["S"]), Reason.REFERENCE_REFUSED)
