"""Every reason an item is refused for, told by exactly that code; beside each, the nearest item that loads."""

from __future__ import annotations

import json
from typing import Any

import pytest
import wire as grammar

from assets.billio.model import SYSTEM
from billio_pipeline.codec.compile import Refused, compile
from billio_pipeline.codec.decode import Decoder
from billio_pipeline.model.refusal import Reason
from billio_pipeline.model.size import MAX_ITEM_BYTES

CODEC = compile(SYSTEM)
UPPER = "1B4E28BA-2FA1-41D2-883F-0016D3CCA427"
FOUND_LATER = {Reason.KEY_CONFLICT, Reason.REFERENCE_MISSING, Reason.REFERENCE_WRONG_TYPE, Reason.REFERENCE_REFUSED}

plain = grammar.plain


def decode(line: bytes) -> Refused | None:
    """Why the line is refused, by both paths; None when it loads."""
    found = []
    for fast in (True, False):
        block = Decoder(CODEC, fast=fast).block([line], 1)
        assert len(block.refused) + sum(table.num_rows for table in block.tables.values()) == 1
        found.append(block.refused[0][1] if block.refused else None)
    assert found[0] == found[1]
    return found[0]


def sized(size: int, character: str = "x") -> dict[str, Any]:
    """A book of `size` bytes by DynamoDB's counting, in ASCII text: names and texts 1 a byte, the two times 8 each."""
    item = plain(notes={"S": ""})
    fixed = sum(len(name) + len(wire.get("S", "")) for name, wire in item.items()) + 2 * 8
    return plain(notes={"S": character * (size - fixed)})


def numbered(attribute: str, *numbers: str, kind: str = "Book") -> list[dict[str, Any]]:
    return [plain(kind, **{attribute: {"N": number}}) for number in numbers]


def titled(*titles: str) -> list[dict[str, Any]]:
    return [plain(title={"S": title}) for title in titles]


def extra(*values: Any) -> list[dict[str, Any]]:
    return [plain() | {"more": value} for value in values]


def raw(*swaps: tuple[bytes, bytes]) -> list[bytes]:
    """A plain book's line with bytes exchanged."""
    line = grammar.written(plain())
    assert all(old in line for old, _ in swaps)
    return [line.replace(old, new) for old, new in swaps]


LINE = grammar.written(plain())
REQUIRED = ("shelf", "title", "addedAt", "movedAt", "author", "id", "type:id")
TEXTS = ("shelf", "title", "author", "id", "type", "type:id", "notes", "externalId")

# reason → case → items or lines that are refused for it, and for nothing else
REFUSED: dict[Reason, dict[str, list[Any]]] = {
    Reason.UNKNOWN_TYPE: {
        "another entity": [plain("Podcast"), plain("book"), plain("")],
        "the rewritten name in another case": [plain("movie")],
    },
    Reason.MISSING_ATTRIBUTE: {
        "no type": [plain(type=None)],
        **{f"no {name}": [plain(**{name: None})] for name in REQUIRED},
        "no seasonNumber": [plain("TvSeason", seasonNumber=None)],
        "an empty item": [{}],
    },
    Reason.WRONG_TYPE: {
        **{f"{name} is a number": [plain(**{name: {"N": "1"}})] for name in TEXTS},
        **{f"{name} is NULL": [plain(**{name: {"NULL": True}})] for name in REQUIRED},
        "rating is text": [plain(rating={"S": "8"})],
        "rating is a truth": [plain(rating={"BOOL": True})],
        "seasonNumber is text": [plain("TvSeason", seasonNumber={"S": "1"})],
        "seasonNumber is a truth": [plain("TvSeason", seasonNumber={"BOOL": True})],
        "seriesId is a number": [plain("TvSeason", seriesId={"N": "1"})],
        "image is text": [plain(image={"S": "a.jpg"})],
        "image.url is a number": [plain(image={"M": {"url": {"N": "1"}}})],
        "image.width is text": [plain(image={"M": {"width": {"S": "1"}}})],
        "a time is a truth": [plain(addedAt={"BOOL": True})],
        "a time is a list": [plain(movedAt={"L": [{"N": "1"}]})],
    },
    Reason.BAD_UUID: {
        "upper case": [plain(key=UPPER)],
        "other spellings": [plain(key=key) for key in ("", "1", grammar.PLAIN_ID + " ", "{" + grammar.PLAIN_ID + "}")],
        "a series of bad id": [plain("TvSeason", seriesId={"S": UPPER}), plain("TvSeason", seriesId={"S": ""})],
    },
    Reason.OUT_OF_RANGE: {
        "rating": numbered("rating", "0", "11", "-1", "1E12", "110E-1"),
        "seasonNumber": numbered("seasonNumber", "2147483648", "-2147483649", "9" * 17, kind="TvSeason"),
        "image.width": [plain(image={"M": {"width": {"N": "2147483648"}}})],
    },
    Reason.FRACTIONAL: {
        "rating": numbered("rating", "8.5", "9.99", "85E-1"),
        "seasonNumber": numbered("seasonNumber", "1.5", kind="TvSeason"),
        "image.height": [plain(image={"M": {"height": {"N": "0.1"}}})],
    },
    Reason.NOT_A_NUMBER: {
        "rating": numbered("rating", "NaN", "Infinity", "-Infinity", "", "eight", " 8", "8\n", "0x8", "1_0", "٨", "1e"),
        "anywhere": extra({"N": "NaN"}, {"L": [{"N": "--1"}]}, {"NS": ["1", "."]}),
    },
    Reason.TOO_LONG: {
        "title": titled("x" * 501, "📚" * 501, "e\u0301" * 251, "x" * 5000),
        "externalId": [plain(externalId={"S": "x" * 256})],
        "shelf": [plain(shelf={"S": "x" * 51}, **{"type:shelf": {"S": "Book:" + "x" * 51}})],
    },
    Reason.BAD_TIME: {
        "text": [
            plain(addedAt={"S": time})
            for time in ("", "now", "2021-03-04", "2021-02-29T00:00:00Z", "2021-03-04T24:00:00Z", "12/31/2020",
                         "2021-03-04T09:15:00", "2021-03-04 09:15:00Z", "2021-03-04T09:15:00.1234567Z", "1614849300123",
                         "2021-03-04T09:15:60Z", "2021-13-01T00:00:00Z", "2021-03-04T09:15:00+24:00")
        ],
        "a fraction of a millisecond": numbered("movedAt", "1614849300123.5"),
    },
    Reason.TIME_OUT_OF_RANGE: {
        "milliseconds": numbered("addedAt", "253402300800000", "-62135596800001", "1614849300123000", "1E30"),
        "text": [plain(movedAt={"S": t}) for t in ("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01")],
    },
    Reason.NUL_CHARACTER: {
        "in a column": [plain(title={"S": "a\0"}), plain(notes={"S": "\0"}), plain(id={"S": "\0"})],
        "in the document": extra({"S": "a\0b"}, {"L": [{"M": {"m": {"S": "\0"}}}]}, {"SS": ["a", "\0"]}),
        "in a name": [plain(**{"a\0b": {"S": ""}}), *extra({"M": {"\0": {"S": ""}}})],
    },
    Reason.LONE_SURROGATE: {
        "in a column": [plain(title={"S": "\ud800"}), plain(notes={"S": "a\udfffb"})],
        "halves the wrong way round": titled("\udcda\ud83d"),
        "in the document": extra({"S": "\ud800"}, {"L": [{"S": "\udc00"}]}, {"SS": ["\ud83d"]}),
        "in a name": [plain(**{"\ud800": {"S": ""}}), *extra({"M": {"\udfff": {"S": ""}}})],
    },
    Reason.REFERENCE_NOT_ALLOWED: {
        kind: [plain(kind, seriesId={"S": grammar.PLAIN_ID})] for kind in ("Book", "VideoGame", "Feature", "TvSeries")
    },
    Reason.KEY_MISMATCH: {
        "another type": [plain(**{"type:id": {"S": f"VideoGame:{grammar.PLAIN_ID}"}})],
        "another id": [plain(**{"type:id": {"S": f"Book:{grammar.PLAIN_ID[:-1]}0"}})],
        "another spelling": [plain(**{"type:id": {"S": f"Book:{UPPER}"}}), plain(**{"type:id": {"S": ""}})],
        "the rewritten type": [plain("Movie", **{"type:id": {"S": f"Feature:{grammar.PLAIN_ID}"}})],
    },
    Reason.NOT_JSON: {
        "no JSON": [b"Item", b"{", b"\xef\xbb\xbf" + LINE, b"'Item'"],
        "cut short": [LINE[:-1], LINE[:-20]],
        "trailing junk": [LINE + b"x", LINE + LINE, LINE + b","],
        "Python's own numbers": raw((b'{"S":"t"}', b'{"N":NaN}'), (b'{"S":"t"}', b'{"N":-Infinity}')),
        "a raw control character": raw((b'"t"', b'"\t"')),
        "single quotes, comments": [LINE.replace(b'"', b"'"), b"/**/" + LINE],
    },
    Reason.BAD_UTF8: {
        "in a text": raw((b'"t"', b'"\xff"'), (b'"t"', b'"\xc3"'), (b'"t"', b'"\xc0\xaf"')),
        "a surrogate as bytes": raw((b'"t"', b'"\xed\xa0\x80"')),
        "in a name": raw((b"author", b"auth\xf8r")),
    },
    Reason.DUPLICATE_ATTRIBUTE: {
        "of the item": raw((b'"author":', b'"shelf":{"S":"Read"},"author":')),
        "the same value": raw((b'"author":', b'"author":{"S":"a"},"author":')),
        "spelt by an escape": raw((b'"author":', b'"\\u0061uthor":{"S":"a"},"author":')),
        "of a map": raw((b'{"S":"a"}', b'{"M":{"m":{"S":""},"m":{"S":""}}}')),
        "of a value": raw((b'{"S":"a"}', b'{"S":"a","S":"b"}')),
        "of the line": [LINE[:-1] + b"," + LINE[1:]],
    },
    Reason.NOT_DYNAMODB_JSON: {
        "the line": [b"null", b"[]", b'"Item"', b"{}", b"5", b'{"Item":[]}', b'{"Item":null}', b'{"item":{}}'],
        "beside the item": [LINE[:-1] + b',"Keys":{}}'],
        "plain JSON": [json.dumps({"Item": {"type": "Book"}}).encode()],
        "an unknown tag": extra({"X": "a"}, {"s": "a"}, {"": ""}),
        "no tag, two tags": extra({}, {"S": "a", "N": "1"}),
        "not a value": extra(None, 5, 1.5, True, "a", [], [{"S": "a"}]),
        "a payload of another kind": extra(
            {"S": 5}, {"S": None}, {"N": 5}, {"N": 1.0}, {"BOOL": "true"}, {"BOOL": 1}, {"NULL": False}, {"NULL": 1},
            {"L": {}}, {"M": []}, {"SS": "a"}, {"SS": [1]}, {"NS": [1]}, {"BS": [1]}, {"B": 1}, {"L": ["a"]},
        ),
        "not base64": extra({"B": "Q"}, {"B": "Q==="}, {"B": "QQ= ="}, {"B": "é"}, {"BS": ["QQ==", "!"]}),
        "in a column": [plain(title={"S": 5}), plain(rating={"N": 5}), plain(type={"S": 5}), plain(id="bare")],
    },
    Reason.OVER_DYNAMODB_LIMIT: {
        "39 digits": extra({"N": "1" * 39}, {"N": "1." + "0" * 37 + "1"}, {"NS": ["9" * 39]}),
        "an exponent": extra({"N": "1E126"}, {"N": "9.9E-131"}, {"N": "-1E126"}, {"N": "1E-999999999"}),
        "an exponent beyond all": extra({"N": "999E999999999"}, {"N": "-12E999999999"}),
        "a rating": numbered("rating", "1" * 39, "1E126"),
        "an empty set": extra({"SS": []}, {"NS": []}, {"BS": []}),
        "a member twice": extra({"SS": ["a", "a"]}, {"NS": ["1", "1.0"]}, {"BS": ["QQ==", "QR=="]}),
        "33 levels": extra(grammar.nested(33), grammar.nested(33, "M"), {"L": [{"S": ""}, grammar.nested(32, "M")]}),
        "33 levels in an image": [plain(image={"M": {"more": grammar.nested(32)}})],
        "400 KB and a byte": [sized(MAX_ITEM_BYTES + 1), sized(MAX_ITEM_BYTES + 1, "\n")],
    },
}  # fmt: skip

# The nearest neighbours, which load.
LOADED: dict[str, list[Any]] = {
    "every entity": [plain(kind) for kind in grammar.ENTITIES],
    "rating 1 to 10, however spelt": numbered("rating", *map(str, range(1, 11)), "10.0", "1E1", "+7", "007", "100E-1"),
    "no rating, a NULL one": [plain(rating=None), plain(rating={"NULL": True})],
    "optional attributes NULL": [
        plain("TvSeason", **{name: {"NULL": True} for name in ("notes", "externalId", "seriesId", "image")})
    ],
    "a NULL seriesId on a book": [plain(seriesId={"NULL": True})],
    "the first and the last season number": numbered("seasonNumber", "2147483647", "-2147483648", kind="TvSeason"),
    "a title of 500 characters, 4-byte ones included": titled("x" * 500, "📚" * 500, "e\u0301" * 250, ""),
    "an externalId of 255, a shelf of 50": [
        plain(externalId={"S": "é" * 255}),
        plain(shelf={"S": "📚" * 50}, **{"type:shelf": {"S": "Book:" + "📚" * 50}}),
    ],
    "the first and the last time": numbered("addedAt", "-62135596800000", "253402300799999", "0", "-1", "1.5E3"),
    "before 2010": numbered("movedAt", "1262300400000", "0"),
    "ISO times": [
        plain(addedAt={"S": time})
        for time in ("2021-03-04T09:15:00.123Z", "2021-03-04T09:15:00Z", "2020-02-29T23:59:59.123456+02:00",
                     "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2021-03-04T09:15:00.1230000Z")
    ],
    "a season without a series": [plain("TvSeason")],
    "control characters that are not NUL": titled("\x01\x1f\x7f", "\t\n\r"),
    "an escaped backslash before u0000": titled("\\u0000"),
    "a whole surrogate pair, escaped": [grammar.written(plain(title={"S": "📚"}), ascii=True)],
    "a legacy Movie by its own name": [plain("Movie")],
    "a derived attribute absent or different": [
        plain("TvSeries", category=None), plain("Feature", category={"S": "Other"}), plain(category={"S": "Watching"}),
        plain(**{"type:shelf": None}), plain(**{"type:shelf": {"N": "1"}}),
    ],
    "legacy strays": [plain(**{"movedAt:type:id": {"S": "1:Book:x"}, "platformIds": {"L": []}})],
    "an unknown shelf": [plain(shelf={"S": "Nowhere"}, **{"type:shelf": {"S": "Book:Nowhere"}})],
    "an empty image, a partial one": [
        plain(image={"M": {}}), plain(image={"M": {"url": {"S": ""}}}), plain(image={"M": {"width": {"NULL": True}}}),
    ],
    "whitespace around and within the line": [b" " + LINE + b"\r", grammar.written(plain(), spaced=True)],
    "one name in two objects": raw((b'{"S":"a"}}', b'{"S":"a"},"more":{"M":{"author":{"S":""}}}}')),
    "names that differ in case": [plain(Author={"S": ""}, AUTHOR={"S": ""})],
    "38 digits and the greatest exponents": extra(
        {"N": "1" * 38}, {"N": "9." + "9" * 37 + "E125"}, {"N": "-1E-130"}, {"N": "1" + "0" * 125},
        {"N": "1." + "0" * 100}, {"N": "0E999999999"}, {"NS": ["9" * 38, "-" + "9" * 38]},
    ),
    "sets of one, members that differ": extra({"SS": [""]}, {"NS": ["1", "1.1"]}, {"BS": ["", "QQ=="]}, {"B": ""}),
    "32 levels": extra(grammar.nested(32), grammar.nested(32, "M"), {"L": [{"S": ""}, grammar.nested(31, "M")]}),
    "400 KB": [sized(MAX_ITEM_BYTES)],
    "400 KB, in a line several times as long": [grammar.written(sized(MAX_ITEM_BYTES, "\x01"), ascii=True)],
}  # fmt: skip


def spread(table: dict[Any, Any]) -> list[Any]:
    return [
        pytest.param(reason, each, id=f"{reason}-{case}-{n}")
        for reason, cases in table.items()
        for case, held in cases.items()
        for n, each in enumerate(held)
    ]


def line_of(held: Any) -> bytes:
    if isinstance(held, bytes):
        return held
    return grammar.written(held, ascii="\\ud" in json.dumps(held))


@pytest.mark.parametrize(("reason", "held"), spread(REFUSED))
def test_an_item_is_refused_for_exactly_its_reason(reason, held):
    refused = decode(line_of(held))
    assert refused is not None
    assert refused.refusal.reason is reason
    assert refused.refusal.message.isprintable(), "a message is for people: nothing damaged stands in it"


@pytest.mark.parametrize(("case", "held"), [(case, each) for case, held in LOADED.items() for each in held])
def test_its_nearest_legal_neighbour_loads(case, held):
    assert decode(line_of(held)) is None, case


def test_every_reason_that_decoding_gives_has_a_case():
    assert set(REFUSED) == set(Reason) - FOUND_LATER - {Reason.TARGET_REFUSED}


def test_the_long_line_of_a_legal_item_is_several_times_400_kb():
    (line,) = LOADED["400 KB, in a line several times as long"]
    assert len(line) > 5 * MAX_ITEM_BYTES


@pytest.mark.parametrize(
    ("held", "entity"),
    [
        (plain(title={"S": "\0"}), "Book"),
        (plain("TvSeries", title={"S": "\ud800"}), "TvSeries"),
        (plain("Movie", more={"N": "1" * 39}), "Feature"),
        (plain(more=grammar.nested(33)), "Book"),
        (plain(more={"X": 1}), "Book"),
        (sized(MAX_ITEM_BYTES + 1), "Book"),
        (LINE.replace(b'"author":', b'"title":{"S":""},"author":'), "Book"),
        (LINE.replace(b'"author":', b'"type":{"S":"Book"},"author":'), None),
        (plain("Podcast"), None),
        (plain(type={"S": "Book\0"}), None),
        (LINE[:-1], None),
    ],
)
def test_a_refused_line_tells_its_entity_and_keys_wherever_they_can_be_read(held, entity):
    refused = decode(line_of(held))
    assert refused is not None
    assert refused.entity == entity
    if entity:
        assert refused.key == grammar.PLAIN_ID
        assert refused.source_key is not None
        assert refused.source_key.endswith(grammar.PLAIN_ID)


def test_messages_name_the_attribute_and_what_was_found():
    message = decode(grammar.written(plain(rating={"N": "11"}))).refusal.message
    assert message == "rating: 11 is outside 1 to 10"
    message = decode(grammar.written(plain(image={"M": {"width": {"S": "1"}}}))).refusal.message
    assert message == "image.width: expected N, found S"
