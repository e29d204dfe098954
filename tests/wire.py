"""Hypothesis strategies for DynamoDB's wire grammar, and for Billio's items as it lets them be: good, odd and bad."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Wire = dict[str, Any]
Item = dict[str, Wire]

ENTITIES = ("Book", "VideoGame", "Feature", "Movie", "TvSeries", "TvSeason")
COMMON = ("type:id", "type:shelf", "type", "id", "shelf", "title", "rating", "image", "externalId", "notes")
DECLARED = frozenset((*COMMON, "addedAt", "movedAt", "seriesId", "category", "author", "seasonNumber"))
AWKWARD = ("", "a/b", "~", "~0", "~1", "a.b", "$", "$dynamodb", "%s", "%", "{type}", "\\", '"', "\x7f", "\ufeff")
AWKWARD += ("e\u0301", "\u00e9", " ", "\n", "\t\r\b\f\x01", "NULL", "null", "0", "\U0001f4da", "\uffff", "\u2028")

texts = st.sampled_from(AWKWARD) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)
names = st.sampled_from(
    [each for each in AWKWARD if each] + ["image.url", "data", "movedAt:type:id", "platformIds"]
) | (st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6))
uuids = st.uuids().map(str)


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """A number's text: up to 38 digits, within DynamoDB's range, spelt in any way it accepts."""
    digits = draw(st.sampled_from(["0", "1", "5", "10", "128"]) | st.from_regex(r"[1-9][0-9]{0,37}", fullmatch=True))
    sign = draw(st.sampled_from(["", "", "-", "+"]))
    match draw(st.integers(0, 5)):
        case 0:
            shift = draw(st.integers(-130, 125)) - (len(digits) - 1)
            return f"{sign}{digits}{draw(st.sampled_from('eE'))}{shift}"
        case 1:
            return f"{sign}{digits}.{draw(st.sampled_from(['', '0', '000']))}"
        case 2:
            return f"{sign}.{digits}"
        case 3:
            place = draw(st.integers(0, len(digits)))
            return f"{sign}{digits[:place] or '0'}.{digits[place:] or '0'}"
    return f"{sign.strip('+')}{digits}"


base64s = st.binary(max_size=6).map(lambda held: base64.b64encode(held).decode())
strings = st.builds(lambda text: {"S": text}, texts)
scalars = (
    strings
    | st.builds(lambda text: {"N": text}, numbers())
    | st.builds(lambda truth: {"BOOL": truth}, st.booleans())
    | st.just({"NULL": True})
    | st.builds(lambda text: {"B": text}, base64s)
)
sets = (
    st.builds(lambda held: {"SS": held}, st.lists(texts, min_size=1, max_size=4, unique=True))
    | st.builds(lambda held: {"NS": held}, st.lists(numbers(), min_size=1, max_size=4, unique_by=Decimal))
    | st.builds(lambda held: {"BS": held}, st.lists(base64s, min_size=1, max_size=4, unique=True))
)
values: st.SearchStrategy[Wire] = st.recursive(
    scalars | sets,
    lambda inner: (
        st.builds(lambda held: {"L": held}, st.lists(inner, max_size=3))
        | st.builds(lambda held: {"M": held}, st.dictionaries(names, inner, max_size=3))
    ),
    max_leaves=6,
)
# What a table usually holds: the values the fast path takes.
plain_values: st.SearchStrategy[Wire] = st.recursive(
    strings | st.integers(-(10**15), 10**15).map(lambda n: {"N": str(n)}) | st.sampled_from([{"BOOL": True}]),
    lambda inner: (
        st.builds(lambda held: {"L": held}, st.lists(inner, max_size=3))
        | st.builds(lambda held: {"M": held}, st.dictionaries(names, inner, max_size=3))
    ),
    max_leaves=4,
)


def whole(low: int, high: int) -> st.SearchStrategy[Wire]:
    """Whole numbers from low to high, mostly plainly spelt."""
    spelt = st.sampled_from(["{}", "{}", "{}", "{}.0", "{}E0", "{}.00e+0"])
    return st.builds(lambda n, form: {"N": form.format(n)}, st.integers(low, high), spelt)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _iso(micros: int, form: str, offset: str) -> Wire:
    moment = _EPOCH + timedelta(microseconds=micros)
    return {"S": moment.strftime("%Y-%m-%dT%H:%M:%S") + form.format(moment.microsecond) + offset}


iso_times = st.builds(
    _iso,
    st.integers(-2_208_988_800_000_000, 4_102_444_800_000_000),
    st.sampled_from(["", ".{:06d}", ".{:06d}00", ".5"]),
    st.sampled_from(["Z", "+00:00", "+02:00", "-11:30"]),
)
times = whole(1_262_300_400_000, 1_790_000_000_000) | whole(-62_135_596_800_000, 253_402_300_799_999) | iso_times


def _optional(values: st.SearchStrategy[Wire]) -> st.SearchStrategy[Wire | None]:
    return st.none() | values | values | st.just({"NULL": True})


def _or_other(right: str) -> st.SearchStrategy[Wire | None]:
    """A derived attribute: mostly what it should be; else absent or anything."""
    return st.sampled_from([{"S": right}] * 6 + [None]) | values


sizes = st.lists(
    st.fixed_dictionaries({"size": st.just({"S": "StandardV1"}), "width": whole(1, 999)}).map(lambda m: {"M": m}),
    max_size=2,
).map(lambda held: {"L": held})
images = _optional(
    st.fixed_dictionaries(
        {},
        optional={
            "url": strings | st.just({"NULL": True}),
            "width": whole(0, 2**31 - 1) | st.just({"NULL": True}),
            "height": whole(-(2**31), 1),
            "sizes": sizes | values,
            "unknown": values,
        },
    ).map(lambda held: {"M": held})
)


@st.composite
def items(draw: st.DrawFn, entity: str | None = None, odd: bool = True, id: str | None = None) -> Item:
    """An item that has to load: of `entity` or any; without `odd`, one that the fast path may be expected to take."""
    kind = entity or draw(st.sampled_from(ENTITIES))
    id = id or draw(uuids)
    shelf = draw(texts)
    extra = values if odd else plain_values
    item: dict[str, Wire | None] = {
        "type:id": {"S": f"{kind}:{id}"},
        "type": {"S": kind},
        "id": {"S": id},
        "shelf": {"S": shelf},
        "title": {"S": draw(texts)},
    }
    if odd:
        item |= {"addedAt": draw(times), "movedAt": draw(times), "image": draw(images)}
        item["type:shelf"] = draw(_or_other(f"{kind}:{shelf}"))
        item |= {"rating": draw(_optional(whole(1, 10))), "notes": draw(_optional(strings))}
        item["seriesId"] = draw(_optional(uuids.map(lambda u: {"S": u}))) if kind == "TvSeason" else None
    else:
        moment = st.integers(0, 4_102_444_800_000).map(lambda n: {"N": str(n)})
        item |= {"addedAt": draw(moment), "movedAt": draw(moment), "type:shelf": {"S": f"{kind}:{shelf}"}}
        item["rating"] = draw(st.none() | st.integers(1, 10).map(lambda n: {"N": str(n)}))
        item["image"] = draw(st.none() | st.just({"M": {"url": {"S": "a.jpg"}, "sizes": {"L": []}}}))
    item["externalId"] = draw(st.none() | strings)
    if kind == "Book":
        item["author"] = draw(strings)
    if kind == "TvSeason":
        item["seasonNumber"] = draw(whole(-(2**31), 2**31 - 1) if odd else st.just({"N": "3"}))
    if kind in ("Feature", "Movie", "TvSeries"):
        item["category"] = draw(_or_other("Watching")) if odd else {"S": "Watching"}
    elif odd:
        item["category"] = draw(st.none() | strings)
    rest = draw(st.dictionaries(names.filter(lambda name: name not in DECLARED), extra, max_size=3))
    present = {name: wire for name, wire in item.items() if wire is not None} | rest
    return {name: present[name] for name in draw(st.permutations(list(present)))} if odd else present


def written(item: Any, *, ascii: bool = False, spaced: bool = False) -> bytes:
    """The export line of an item, compact and in UTF-8 as AWS writes it, or spelt otherwise."""
    separators = (", ", ": ") if spaced else (",", ":")
    return json.dumps({"Item": item}, ensure_ascii=ascii, separators=separators).encode("utf-8", "surrogatepass")


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A good line in some spelling."""
    item = draw(items(odd=draw(st.booleans())))
    return written(item, ascii=draw(st.booleans()), spaced=draw(st.sampled_from([False, False, False, True])))


PLAIN_ID = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"


def plain(kind: str = "Book", key: str = PLAIN_ID, **changes: Any) -> dict[str, Any]:
    """A plain item the fast path takes, with attributes changed; None takes one away."""
    item = {
        "type:id": {"S": f"{kind}:{key}"},
        "type:shelf": {"S": f"{kind}:Read"},
        "type": {"S": kind},
        "id": {"S": key},
        "shelf": {"S": "Read"},
        "title": {"S": "t"},
        "addedAt": {"N": "1614849300123"},
        "movedAt": {"N": "1614849300123"},
    }
    if kind == "Book":
        item["author"] = {"S": "a"}
    if kind == "TvSeason":
        item["seasonNumber"] = {"N": "1"}
    if kind in ("Feature", "Movie", "TvSeries"):
        item["category"] = {"S": "Watching"}
    return {name: wire for name, wire in (item | changes).items() if wire is not None}


# Values no table holds, or no row; and, last, a few that are fine somewhere else.
BAD_VALUES: tuple[Any, ...] = (
    {}, {"S": 5}, {"S": None}, {"N": 5}, {"N": "NaN"}, {"N": "Infinity"}, {"N": "1_0"}, {"N": " 7"}, {"N": "7\n"},
    {"N": "0x10"}, {"N": "1" * 39}, {"N": "1E126"}, {"N": "1E-131"}, {"N": "999E999999999"}, {"N": ""}, {"N": "٣"},
    {"BOOL": "true"}, {"BOOL": 1}, {"NULL": False}, {"NULL": 1}, {"SS": []}, {"SS": ["a", "a"]}, {"NS": ["1", "1.0"]},
    {"BS": ["QQ==", "QQ=="]}, {"SS": [1]}, {"B": "Q"}, {"B": 1}, {"L": {}}, {"M": []}, {"X": "a"}, {"S": "a", "N": "1"},
    {"S": "a\0b"}, {"M": {"a\0": {"S": ""}}}, {"L": [{"S": "\ud800"}]}, {"M": {"\udfff": {"S": ""}}}, "bare", 5, 1.5,
    None, True, [], [{"S": "a"}], {"S": "x" * 501}, {"N": "0"}, {"N": "11"}, {"N": "8.5"}, {"N": "99999999999"},
    {"N": "99999999999999999"}, {"S": "Book"}, {"S": "movie"}, {"BOOL": True}, {"NULL": True}, {"S": "8"}, {"M": {}},
    {"S": "00000000-0000-4000-8000-00000000000A"}, {"S": "2021-02-29T00:00:00Z"}, {"L": []},
)  # fmt: skip


def nested(levels: int, tag: str = "L") -> Wire:
    """A value `levels` lists or maps deep."""
    value: Wire = {"S": "x"}
    for _ in range(levels):
        value = {"L": [value]} if tag == "L" else {"M": {"m": value}}
    return value


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good line with something done to it: to an attribute, or to its bytes. It may still be good."""
    item: dict[str, Any] = draw(items(odd=draw(st.booleans())))
    name = draw(st.sampled_from(sorted(DECLARED)) | st.sampled_from(sorted(item)))
    match draw(st.integers(0, 7)):
        case 0:
            item.pop(name, None)
        case 1:
            item[name] = draw(values)
        case 2:
            item[name] = nested(draw(st.sampled_from([31, 32, 33, 120])), draw(st.sampled_from("LM")))
        case 3 | 4:
            item[name] = draw(st.sampled_from(BAD_VALUES))
        case 5:
            item["more"] = {"M": {"m": {"L": [draw(st.sampled_from(BAD_VALUES))]}}}
        case 6:
            line = written(item, ascii=draw(st.booleans()))
            place = draw(st.integers(0, len(line)))
            return line[:place] + draw(st.binary(max_size=3)) + line[place + draw(st.integers(0, 3)) :]
        case 7:
            again = f'"{name if name.isalnum() else "id"}":{json.dumps(draw(st.sampled_from(BAD_VALUES)))}'.encode()
            return b'{"Item":{' + again + b"," + written(item)[9:]
    return written(item, ascii=draw(st.booleans()))
