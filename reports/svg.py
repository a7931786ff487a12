"""Drawings as inline SVG: everything is escaped, colors come from the page's style sheet."""

from __future__ import annotations

from html import escape
from typing import Final

Attribute = str | int | float


class Svg:
    """A drawing that grows by elements, `width` by `height` units in its own coordinates."""

    def __init__(self, width: float, height: float, *, label: str, name: str) -> None:
        """`label` is read to those who do not see; `name` is its class in the style sheet."""
        self.width: Final = width
        self.height = height
        self._label = label
        self._name = name
        self._parts: list[str] = []

    def add(
        self, tag: str, *, text: str | None = None, title: str | None = None, **given: Attribute
    ) -> None:
        """An element. `class_` is written `class`, `text_anchor` as `text-anchor`.

        `title` is shown by a browser where the pointer rests.
        """
        inside = "" if title is None else f"<title>{escape(title)}</title>"
        inside += "" if text is None else escape(text)
        self._parts.append(f"<{tag}{_attributes(given)}>{inside}</{tag}>")

    def open(self, tag: str, **given: Attribute) -> None:
        """Begin an element that holds those that follow, until it is closed."""
        self._parts.append(f"<{tag}{_attributes(given)}>")

    def close(self, tag: str) -> None:
        """End it."""
        self._parts.append(f"</{tag}>")

    def markup(self) -> str:
        """The drawing, to stand in a page as it is."""
        frame = {
            "class_": self._name,
            "viewBox": f"0 0 {number(self.width)} {number(self.height)}",
            "role": "img",
            "aria_label": self._label,
        }
        return f"<svg{_attributes(frame)}>{''.join(self._parts)}</svg>"


def number(value: float) -> str:
    """A coordinate, to a tenth."""
    return f"{value:.1f}".removesuffix(".0")


def _attributes(given: dict[str, Attribute] | dict[str, str]) -> str:
    return "".join(f' {_name(name)}="{_value(value)}"' for name, value in given.items())


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _value(value: Attribute) -> str:
    return escape(value) if isinstance(value, str) else number(value)
