"""Finds attributes that always follow from others: `{type}:{id}`. Guessed from one item, kept while all agree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

SEPARATORS = "#:|/@_-. "
_MOST = 32  # guesses followed per attribute
_LONGEST = 500
_PARTS = re.compile(r"\{([^{}]+)\}")


@dataclass
class Guesses:
    """For one kind of item: per attribute, the templates that held for every item so far. Empty: none does."""

    held: dict[str, list[str]] | None = None
    _split: dict[str, list[str]] = field(default_factory=dict)

    def look(self, texts: Mapping[str, str]) -> None:
        """Take one item's text attributes into account."""
        if self.held is None:
            self.held = {name: list(guesses(name, texts)) for name in texts}
        for name, templates in self.held.items():
            if templates:
                self.held[name] = [each for each in templates if self._filled(each, texts) == texts.get(name)]

    def chosen(self, always: set[str], kept: set[str]) -> dict[str, str]:
        """One template per attribute that needs none of the others' derived; over `always` present attributes.

        `kept` are attributes that must stay what they are. What is made of most attributes is derived first.
        """
        usable = {
            name: [each for each in templates if set(_PARTS.findall(each)) <= always]
            for name, templates in (self.held or {}).items()
            if name in always and name not in kept
        }
        found: dict[str, str] = {}
        inputs: set[str] = set()
        order = sorted((name for name in usable if usable[name]), key=lambda n: (-usable[n][0].count("{"), n))
        for name in order:
            template = next((t for t in usable[name] if not set(_PARTS.findall(t)) & found.keys()), None)
            if template is not None and name not in inputs:
                found[name] = template
                inputs.update(_PARTS.findall(template))
        return found

    def _filled(self, template: str, texts: Mapping[str, str]) -> str | None:
        """The template's text, or None where an attribute it needs is absent."""
        parts = self._split.get(template)
        if parts is None:
            parts = self._split[template] = _PARTS.split(template)
        try:
            return "".join([texts[part] if index % 2 else part for index, part in enumerate(parts)])
        except KeyError:
            return None


def guesses(name: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Templates over the other attributes that give this one's text, those of most attributes first.

    A template has an attribute and a separator in it: a mere copy of another attribute is more likely a coincidence.
    """
    text = texts[name]
    if not text or len(text) > _LONGEST or "{" in text or "}" in text:
        return
    others = {
        other: value
        for other, value in texts.items()
        if other != name and value and value in text and value != text and not {"{", "}"} & {*other}
    }
    found = {made for made in _made(text, 0, others, 0) if "{" in made}

    def rank(made: str) -> tuple[int, int, int, str]:
        named = sum(other.lower() in name.lower() for other in _PARTS.findall(made))
        return -made.count("{"), -named, len(_PARTS.sub("", made)), made

    yield from sorted(found, key=rank)[:_MOST]


def _made(text: str, at: int, others: Mapping[str, str], depth: int) -> Iterator[str]:
    """Ways to write `text` from `at` on, cut at separators; whole attributes first."""
    if at == len(text):
        yield ""
        return
    if depth > 12:
        return
    for other, value in others.items():
        end = at + len(value)
        if text.startswith(value, at) and (end == len(text) or text[end] in SEPARATORS):
            yield from _then(f"{{{other}}}", text, end, others, depth)
    end = next((i for i in range(at, len(text)) if text[i] in SEPARATORS), len(text))
    yield from _then(text[at:end], text, end, others, depth)


def _then(token: str, text: str, end: int, others: Mapping[str, str], depth: int) -> Iterator[str]:
    separator = text[end : end + 1]
    for made, _ in zip(_made(text, end + len(separator), others, depth + 1), range(_MOST), strict=False):
        yield token + separator + made
