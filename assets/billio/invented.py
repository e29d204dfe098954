"""The parts Billio's generated items are made of: titles, times, images, leftovers, attributes nobody declared."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from billio_pipeline.stores.dynamodb.client_form import Item

Wire = dict[str, Any]

_FIRST = ["The", "A", "My", "One", "Our", "Last", "Lost", "Far", "Hidden", "Seven"]
_ADJECTIVE = (
    "Quiet", "Silent", "Golden", "Broken", "Electric", "Distant", "Crooked", "Tiny", "Brave", "Invisible", "Café",
    "Ölige", "静かな", "Тихий",
)  # fmt: skip
NOUN = (
    "Archive", "Lighthouse", "Orbit", "Garden", "Engine", "River", "Signal", "Atlas", "Harbour", "Clock", "Façade",
    "Straße", "図書館", "Море",
)  # fmt: skip
_ODD_TITLES = (
    "100% Pure Quiet", "snake_case quiet", "C:\\Quiet\\Temp", "quiet, please", "QUIET", "Emoji 📚🎮 Story",
    "e\u0301tude (combining)", "\u00e9tude (composed)", "İstanbul Iı", "مكتبة هادئة", "O'Brien \"quoted\"", " padded ",
    "tab\tand\nnewline", "𝕬𝖘𝖙𝖗𝖆𝖑 plane", "ＦＵＬＬ width", "-1", "null", "x" * 500,
)  # fmt: skip
NAMES = ["Ada", "Brook", "Çelik", "Diaz", "Éva", "Fujii", "川上弘美", "Grüber", "Ólafur", "Petrov"]
_NOTES = (
    "Liked it.", "Line one\nLine \"two\" — naïve 📚", "", "tabs\tand \\ backslashes", "Ein Buch für später…",
    "読みかけ", "zero\u200bwidth and \u2028 separators", "<b>not html</b> & 'quotes'", "a" * 3000,
)  # fmt: skip
PLATFORMS = ["NintendoGameBoy", "NintendoSwitch", "PlayStation5", "Pc", "Xbox360", "SegaDreamcast"]
DEVICES = ["Nintendo3DS", "TrimUiBrick", "SteamDeck", "PlayStation5", "Switch"]
# Moments at which many items were imported together: ties on the sort attributes.
_IMPORTS = (1_420_070_400_000, 1_577_836_800_000, 1_640_995_200_000)
_BEFORE_2010, _FROM, _LEGACY_UNTIL, UNTIL = 915_148_800_000, 1_262_304_000_000, 1_746_057_600_000, 1_780_000_000_000


def new_id(random: Random) -> str:
    """A version 4 uuid, lower case."""
    return str(UUID(int=random.getrandbits(128), version=4))


def iso(milliseconds: int) -> str:
    """Epoch milliseconds as the application prints a time: 2021-03-04T09:15:00.123Z."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def item_of(kind: str, id: str, shelf: str, title: str, added: int, moved: int) -> Item:
    """The attributes every item has."""
    return {
        "type:id": {"S": f"{kind}:{id}"}, "type:shelf": {"S": f"{kind}:{shelf}"}, "type": {"S": kind},
        "id": {"S": id}, "shelf": {"S": shelf}, "title": {"S": title},
        "addedAt": {"N": str(added)}, "movedAt": {"N": str(moved)},
    }  # fmt: skip


def embellish(random: Random, item: Item) -> Item:
    """Notes, image, what older versions of the application left behind, and attributes nobody declared."""
    draw = random.random
    if draw() < 0.25:
        item["notes"] = {"NULL": True} if draw() < 0.04 else {"S": random.choice(_NOTES)}
    if draw() < 0.7:
        item["image"] = _image(random)
    moved, kind = int(item["movedAt"]["N"]), item["type"]["S"]
    if moved < _LEGACY_UNTIL and draw() < 0.08:
        item["movedAt:type:id"] = {"S": f"{moved}:{kind}:{item['id']['S']}"}
    if draw() < 0.04:
        for name, wire in random.sample(sorted(_unknown(random).items()), random.randrange(1, 5)):
            item[name] = wire
    return item


def _image(random: Random) -> Wire:
    odd = random.random()
    if odd < 0.01:
        return {"M": {}}
    if odd < 0.02:
        return {"NULL": True}
    width, height = random.choice((96, 128, 500, 780)), random.randrange(80, 1800)
    name = f"{random.getrandbits(128):032x}"
    image: Item = {"url": {"S": f"{name}_o.jpg"}, "width": {"N": str(width)}, "height": {"N": str(height)}}
    if odd < 0.06:
        return {"M": image}  # from before there were sizes
    small = {
        "size": {"S": "StandardV1"}, "url": {"S": f"{name}_s_v1.jpg"},
        "width": {"N": "128"}, "height": {"N": str(height * 128 // width)},
    }  # fmt: skip
    image["sizes"] = {"M": {}} if odd < 0.07 else {"L": [{"M": small}] if width > 128 else []}
    if odd > 0.99:
        image["blurHash"] = {"S": "LEHV6nWB2yk8pyo0adR*"}
    return {"M": image}


def _unknown(random: Random) -> Item:
    """Attributes no declaration knows, of all ten DynamoDB types, numbers and bytes JSON has no exact form for."""
    raw = [base64.b64encode(random.randbytes(length)).decode() for length in (1, 2, 9)]
    return {
        "x-text": {"S": random.choice(("", "plain", "ünïcödé ✓"))},
        "x-number": {"N": random.choice(("12345678901234567890123456789012345678", "0.1", "-1", "1234.5678"))},
        "x-binary": {"B": raw[2]},
        "x-flag": {"BOOL": random.random() < 0.5},
        "x-nothing": {"NULL": True},
        "x-list": {"L": [{"N": "1"}, {"S": ""}, {"NULL": True}, {"L": []}, {"BOOL": False}, {"B": raw[0]}]},
        "x-map": {"M": {"deep": {"M": {"er": {"L": [{"SS": ["b", "a"]}]}}}, "$": {"N": "7"}}},
        "x-texts": {"SS": ["β", "alpha", "É"]},
        "x-numbers": {"NS": ["3", "-1", "2.5"]},
        "x-binaries": {"BS": raw[:2]},
        "Title": {"S": "not the title"},
        "image_url": {"S": "named like a column"},
        "data": {"M": {"data": {"S": "named like the Rest column"}}},
    }


def time(random: Random) -> int:
    """Epoch milliseconds: mostly since 2010, some imported together, some older."""
    draw = random.random()
    if draw < 0.05:
        return random.choice(_IMPORTS)
    if draw < 0.07:
        return random.randrange(_BEFORE_2010, _FROM)
    return random.randrange(_FROM, UNTIL)


def title(random: Random) -> str:
    if random.random() < 0.03:
        return random.choice(_ODD_TITLES)
    words = [random.choice(_FIRST), random.choice(_ADJECTIVE), random.choice(NOUN)]
    return " ".join(words) + (f" {random.randrange(2, 40)}" if random.random() < 0.3 else "")


def rating(random: Random, item: Item) -> None:
    if (draw := random.random()) < 0.75:
        item["rating"] = {"N": str(min(10, max(1, round(random.gauss(7, 2)))))}
    elif draw < 0.76:
        item["rating"] = {"NULL": True}


def flag(random: Random, item: Item, name: str) -> None:
    if random.random() < 0.5:
        item[name] = {"BOOL": random.random() < 0.2}


def external_id(random: Random, item: Item, value: str) -> None:
    if random.random() < 0.85:
        item["externalId"] = {"S": value}


def texts(values: list[str]) -> Wire:
    return {"L": [{"S": value} for value in values]}
