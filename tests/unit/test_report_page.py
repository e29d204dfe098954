"""The report: shows what happened, proves nothing that was not checked, and lets no value act as markup."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from billio_pipeline.report.checks import CHECKS
from billio_pipeline.report.model import CheckSeen, Counts, Difference, Refused, RunReport, Spot
from billio_pipeline.report.reasons import REASONS
from billio_pipeline.report.render import render, write
from billio_pipeline.report.verdict import verdict

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\" ' & \u202egpj.exe\x00\x1b[31m \ud800"
PRINTED: dict[str, Any] = {
    "system": "billio",
    "export": {"path": "/data/export", "items": 10, "files": 2, "bytes": 12_345},
    "entities": {
        "Book": {
            "source": 10, "loaded": 8, "quarantined": 1, "excluded": 1, "missing": 0, "extra": 0, "different": 0
        },
    },
    "quarantine": {"path": "/data/quarantine.parquet", "reasons": {"out_of_range": 1}},
    "differences": [],
    "differences_path": None,
    "checks": [{"asset": "billio/loaded/Book", "check": "count", "passed": True, "severity": "ERROR", "metadata": {}}],
    "seconds": {"rows": 0.25, "loaded": 1.5},
    "report": "report.html",
}  # fmt: skip
RUN = RunReport.from_json(PRINTED)
EMPTY = replace(RUN, entities={}, reasons={}, checks=(), seconds={}, export=replace(RUN.export, items=0, files=0))


class Page(HTMLParser):
    """What a browser would make of it: elements with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def failed(name: str, severity: str = "ERROR") -> CheckSeen:
    return CheckSeen("billio/loaded/Book", name, False, severity, {"missing": 1})  # type: ignore[arg-type]


def everywhere(value: str) -> RunReport:
    """A run whose every text is `value`."""
    return replace(
        RUN,
        system=value, command=value, target=value, profile=value, policy=value, run_id=value, error=value,
        started=value, finished=value, quarantine_path=value, differences_path=value, expected=(value,), rerun=(value,),
        export=replace(RUN.export, path=value, about={value: value}),
        entities={value: RUN.total},
        reasons={value: 2},
        checks=(CheckSeen(value, value, False, "ERROR", {value: [value, {value: 1}]}), failed("count")),
        differences=(Difference(value, value, value, value, value[::-1]), Difference(value, value, None, value, None)),
        quarantine_examples=(Refused(value, value, value, value, value, 3, value),),
        spot_check=(Spot(value, value, {value: {"S": value}, "m": {"M": {value: {"S": value}}}}, {value: value}),),
        seconds={value: 1.0},
        versions={value: value},
    )  # fmt: skip


def test_hostile_content_is_text_wherever_it_stands() -> None:
    html = render(everywhere(HOSTILE))
    html.encode()  # a lone surrogate would not be UTF-8
    page = Page(html)
    assert not page.open, "every element that is opened is closed"
    assert not {"script", "img", "iframe", "link", "object", "base", "form"} & {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert not set(html) & set("\u202e\x00\x1b\ud800")
    assert all(spelt in page.text for spelt in ("\\u202e", "\\u0000", "\\u001b", "\\ud800"))


def test_nothing_is_fetched_and_no_script_could_run() -> None:
    html = render(everywhere("https://example.com/x"))
    page = Page(html)
    assert not [a for _, attributes in page.elements for a in attributes if a in ("src", "href", "srcset", "action")]
    assert "url(" not in html
    assert "@import" not in html
    policy = next(a for tag, a in page.elements if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_bytes_that_are_no_text_are_spelt_out() -> None:
    refused = Refused("out_of_range", "m", None, None, "f", None, b'caf\xc3\xa9 \xff"')
    text = Page(render(replace(RUN, quarantine_examples=(refused,)))).text
    assert 'café \\xff"' in text


@pytest.mark.parametrize(
    "secret",
    [
        "postgresql://ada:hunter2@db:5432/billio",
        "postgresql://ada:hunter2/with@sign@db/billio",
        "host=db user=ada password=hunter2",
        "password = 'and hunter2'",
        "password=it's-hunter2",
        shlex.join(["billio", "--target", "host=db password='and hunter2'"]),
        "https://s3/x?X-Amz-Signature=hunter2&a=1",
        "postgresql://db/billio?user=ada&password=hunter2&sslmode=require",
    ],
)
def test_no_secret_reaches_the_page(secret: str) -> None:
    seen = CheckSeen("a", "count", False, "ERROR", {"dsn": secret})
    run = replace(RUN, target=secret, command=f"billio migrate --target '{secret}'", error=secret, checks=(seen,))
    assert "hunter2" not in render(run)


def test_passed_means_every_expected_check_ran_and_held() -> None:
    clean = replace(RUN, reasons={}, entities={"Book": Counts(source=9, loaded=8, excluded=1)})
    assert verdict(clean).state == "passed"
    assert verdict(replace(clean, checks=(*clean.checks, failed("fast_share", "WARN")))).state == "passed"
    assert verdict(replace(clean, checks=(*clean.checks, failed("rows_equal")))).state == "failed"
    assert verdict(replace(clean, expected=("count", "parity"))).state == "failed"
    assert verdict(replace(clean, checks=())).state == "failed"
    assert verdict(replace(clean, error="the target went away")).state == "failed"


@pytest.mark.parametrize(
    "counts",
    [Counts(source=9, loaded=8), Counts(source=9, loaded=8, missing=1), Counts(source=9, loaded=9, different=1)],
)
def test_counts_that_show_a_loss_overrule_checks_that_passed(counts: Counts) -> None:
    assert verdict(replace(RUN, entities={"Book": counts})).state == "failed"


def test_a_quarantine_is_said_in_the_headline() -> None:
    page = Page(render(replace(RUN, allow_quarantine=True)))
    assert "Verified, with a quarantine" in page.text
    assert "8 items proven in the target, 1 refused." in page.text
    assert "allowed by the command" in page.text


def test_a_failed_check_is_shown_with_its_reason_and_those_that_never_ran() -> None:
    text = Page(render(replace(RUN, checks=(failed("rows_equal"),), expected=("rows_equal", "parity")))).text
    assert "rows_equal failed on billio/loaded/Book." in text
    assert "Not evaluated, because something before failed: parity." in text
    assert CHECKS["rows_equal"].cannot_see in text


def test_a_warning_that_never_ran_does_not_fail_the_run_and_is_shown() -> None:
    run = replace(RUN, expected=("shelves_known",))
    assert verdict(run).state == "quarantine"
    assert CHECKS["shelves_known"].proves in Page(render(run)).text


def test_metadata_is_readable_and_its_empty_tables_are_left_out() -> None:
    table = "| key | why |\n|-----|-----|"
    metadata = {"share": 0.8965346534653466, "items": 2020, "none": table, "some": f"{table}\n| k1  | <b> |", "no": ""}
    seen = CheckSeen("billio/rows/Book", "reversible", True, "ERROR", metadata)
    page = Page(render(replace(RUN, checks=(seen,))))
    assert "share 0.897 items 2,020 some" in " ".join(page.text.split())
    assert "| k1  | <b> |" in page.text
    assert "\\n" not in page.text


def test_zero_items_render_without_a_claim() -> None:
    text = Page(render(EMPTY)).text
    assert "No check was evaluated" in text
    assert "No entity was counted." in text


def test_the_first_hundred_differences_are_shown_and_the_rest_named() -> None:
    many = tuple(Difference("Book", f"key-{n:03}", "title", f"a{n}z", f"a{n}-z") for n in range(130))
    html = render(replace(RUN, differences=many, differences_path="/data/differences.parquet"))
    shown = re.findall(r"key-\d{3}", Page(html).text)
    assert shown == [f"key-{n:03}" for n in range(100)]
    assert "/data/differences.parquet" in html


@pytest.mark.parametrize(
    ("source", "target", "marked"),
    [
        ("Darkness", "Dankness", ["r", "n"]),
        ("same start", "same", [" start", "∅"]),
        ("aaa", "aa", ["a", "∅"]),
        ("e\u0301", "e\u0300", ["e\u0301", "e\u0300"]),
        (9, 8, ["9", "8"]),
        ("x" * 500 + "1", "x" * 500 + "2", ["1", "2"]),
    ],
)
def test_the_changed_part_of_a_difference_is_marked(source: object, target: object, marked: list[str]) -> None:
    html = render(replace(RUN, differences=(Difference("Book", "k", "title", source, target),)))
    assert [re.sub("<[^>]*>", "", each) for each in re.findall("<mark>(.*?)</mark>", html)] == marked
    assert "x" * 100 not in html


def test_null_and_empty_and_the_text_null_are_three_things() -> None:
    row = {"a": None, "b": "", "c": "NULL"}
    html = render(replace(RUN, spot_check=(Spot("Book", "k", {"a": {"NULL": True}}, row),)))
    cells = re.findall(r"<td><bdi>(.*?)</bdi></td>", html)
    assert cells == [
        '<span class="nil">NULL</span>',
        '<span class="nil">NULL</span>',
        '<span class="nil">empty</span>',
        "NULL",
    ]


def test_one_item_among_a_million_is_still_seen() -> None:
    counts = Counts(source=1_000_000, loaded=999_998, missing=1, quarantined=1)
    html = render(replace(RUN, entities={"Book": counts}))
    bars = {
        kind: (float(x), float(w)) for kind, x, w in re.findall(r'class="(\w+)" x="([\d.]+)" width="([\d.]+)"', html)
    }
    assert set(bars) == {"loaded", "missing", "quarantined"}
    assert all(width >= 5 and x + width <= 1000 for x, width in bars.values())


def test_a_long_value_is_cut_and_says_how_much_is_left() -> None:
    refused = Refused("out_of_range", "m", "Book", "k", "f", 1, "x" * 400_000)
    html = render(replace(RUN, quarantine_examples=(refused,)))
    assert "398,800 more characters" in html
    assert len(html) < 60_000


def test_tables_name_their_headers() -> None:
    page = Page(render(everywhere("x")))
    headers = [attributes for tag, attributes in page.elements if tag == "th"]
    assert headers
    assert all(attributes.get("scope") in ("row", "col") for attributes in headers)


def test_write_leaves_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write(RUN, path)
    write(replace(RUN, run_id="second"), path)
    assert path.read_text(encoding="utf-8") == render(replace(RUN, run_id="second"))
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_keeps_the_report_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.mkdir()
    with pytest.raises(OSError, match=re.escape(path.name)):
        write(RUN, path)
    assert list(tmp_path.iterdir()) == [path]


def test_every_reason_has_its_cause_and_remedy() -> None:
    for reason, about in REASONS.items():
        html = render(replace(RUN, reasons={str(reason): 1}))
        assert about.remedy in Page(html).text
