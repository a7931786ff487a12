"""The style sheet: readable in light and in dark, and nobody has to tell red from green."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.resources import files

import pytest

STYLE = files("reports").joinpath("page.css").read_text(encoding="utf-8")
SCHEMES = ("light", "dark")


def colors(scheme: str) -> dict[str, str]:
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[SCHEMES.index(scheme)]))


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """WCAG 2.1, "contrast ratio": 4.5 is enough for text."""
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_text_has_enough_contrast(scheme: str) -> None:
    found = colors(scheme)
    for back in ("paper", "raised", "stripe"):
        for text in ("ink", "soft", "link", "ok", "fail", "info", "valid", "invalid", "unknown"):
            assert contrast(found[text], found[back]) >= 4.5, (text, back)
    assert contrast(found["paper"], found["invalid"]) >= 4.5


def test_both_schemes_have_the_same_colors() -> None:
    assert set(colors("dark")) == set(colors("light"))


def test_verdicts_and_outcomes_differ_by_more_than_color() -> None:
    for sign in ('"✓ "', '"✕ "', '"? "', '"! "'):
        assert f"content: {sign}" in STYLE
    assert ".operation.fail .span { stroke-dasharray: 2 2; }" in STYLE
    assert ".operation.info .span { stroke-dasharray: 6 3; }" in STYLE


def test_the_template_engine_is_loaded_only_to_render() -> None:
    code = "import reports.html, reports.terminal, sys; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_drawings_fit_a_window_of_800_pixels() -> None:
    """Its margins are those of the page and of a finding on both sides, and two borders."""
    (rem,) = re.findall(r"svg \{[^}]*min-width: (\d+)rem", STYLE)
    assert int(rem) * 16 <= 800 - 2 * 16 - 2 * 10 - 2


def test_whatever_is_wide_scrolls_in_its_own_box() -> None:
    page = files("reports").joinpath("page.html").read_text(encoding="utf-8")
    wide = re.findall(r'<div class="wide[^"]*">(?:<table|\{\{ chart|\{\{ finding.svg)', page)
    assert len(wide) == page.count("<table") + 2
    assert re.search(r"\.wide \{\s*overflow-x: auto", STYLE)
