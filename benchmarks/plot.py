"""docs/performance.svg: bars drawn by hand, items a second of each competitor and where the job's CPU goes."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

WIDTH, LABEL, BAR, GAP = 860, 270, 20, 8
_BARS = WIDTH - LABEL - 150
OURS, OTHER = "#2563eb", "#94a3b8"
# Two lightnesses by turns: neighbours stay apart when printed in grey.
STAGES = ("#1d4ed8", "#60a5fa", "#0f766e", "#5eead4", "#b45309", "#fbbf24", "#7e22ce", "#c084fc", "#475569", "#cbd5e1")
_FONT = 'font-family="system-ui, sans-serif" font-size="13"'


def bars(title: str, values: Sequence[tuple[str, float, str]]) -> tuple[list[str], int]:
    """Horizontal bars of (label, value, colour), longest value as wide as there is room; the shapes, their height."""
    longest = max((value for _, value, _ in values), default=0.0) or 1.0
    shapes = [_text(0, 16, title, bold=True)]
    y = 28
    for label, value, colour in values:
        width = max(value / longest * _BARS, 1.0)
        shapes += [
            _text(LABEL - 8, y + 15, label, end=True),
            f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>',
            _text(LABEL + width + 6, y + 15, f"{value:,.0f}"),
        ]
        y += BAR + GAP
    return shapes, y


def stacked(title: str, parts: Sequence[tuple[str, float]]) -> tuple[list[str], int]:
    """One bar in parts, and what each is; the shapes, their height."""
    whole = sum(value for _, value in parts) or 1.0
    shapes, x, y = [_text(0, 16, title, bold=True)], 0.0, 58
    for place, (label, value) in enumerate(parts):
        colour, width = STAGES[place % len(STAGES)], value / whole * WIDTH
        shapes += [
            f'<rect x="{x:.1f}" y="28" width="{width:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<rect x="0" y="{y}" width="12" height="12" fill="{colour}"/>',
            _text(20, y + 11, f"{label}: {value:,.1f} CPU-s ({value / whole:.0%})"),
        ]
        x += width
        y += BAR
    return shapes, y


def drawing(*blocks: tuple[list[str], int]) -> str:
    """The blocks one below the other, as an SVG file on white."""
    placed, y = [], 10
    for shapes, height in blocks:
        placed.append(f'<g transform="translate(10 {y})">{"".join(shapes)}</g>')
        y += height + 24
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 20} {y}" width="{WIDTH + 20}" height="{y}">'
    return f'{head}\n<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(placed) + "\n</svg>\n"


def _text(x: float, y: float, words: str, *, bold: bool = False, end: bool = False) -> str:
    style = (' font-weight="bold"' if bold else "") + (' text-anchor="end"' if end else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="#0f172a" {_FONT}{style}>{escape(words)}</text>'
