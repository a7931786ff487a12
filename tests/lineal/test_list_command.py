"""`lineal list`: a short index, a page for each section, and every name whole."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from lineal.cli import catalogue, exit_status
from lineal.cli.list_pages import TITLES, WIDTH
from lineal.cli.main import main
from nemesis.options import FaultOptions
from systems_under_test.environments.docker.options import DockerOptions

if TYPE_CHECKING:
    import pytest


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["list", *words]) == 0
    return capsys.readouterr().out


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(said(capsys, *words, "--json"))


def test_the_index_is_short_and_says_how_to_see_more(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys).splitlines()
    assert len(lines) <= 40
    assert "lineal list NAME" in lines[-1]
    for section in catalogue.SECTIONS:
        assert any(line.startswith(section) for line in lines), section


def test_every_section_has_a_title_and_a_page_of_bounded_width(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert TITLES.keys() == catalogue.SECTIONS.keys()
    for section in catalogue.SECTIONS:
        page = said(capsys, section)
        assert page.startswith(TITLES[section])
        assert [line for line in page.splitlines() if len(line) > WIDTH] == []


def test_json_without_a_name_holds_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(capsys)
    assert found.keys() == catalogue.SECTIONS.keys()
    assert set(found["systems"]["atomic"]["bugs"]) == {
        "stale-read",
        "forgets-on-restart",
        "cas-without-compare",
    }
    assert "lost-update" in found["findings"]
    assert "partition" in found["nemeses"]


def test_a_system_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    page = said(capsys, "dynamo")
    assert page.startswith("system dynamo: ")
    about = shown(capsys, "dynamo")["systems"]["dynamo"]
    for name in (*about["options"], *about["bugs"], *about["promises"], *about["not_promised"]):
        assert f"\n  {name}" in page, name
    assert "How many nodes keep each key. In nodes; default 3." in page
    assert "-> lost-update, by last-write; with workload siblings, nemesis clock:jump," in page


def test_every_bug_with_a_finding_names_the_checker_that_finds_it() -> None:
    bugs = catalogue.of_section("bugs")
    found = {name: bug for of in bugs.values() for name, bug in of.items() if bug["finding"]}
    assert {name for name, bug in found.items() if not bug["checkers"]} == set()
    assert found["drop-siblings"]["checkers"] == ["siblings"]
    assert found["lww"]["checkers"] == ["last-write"]
    assert found["quorum-lie"]["checkers"] == ["sessions"]
    assert found["half-quorum"]["checkers"] == ["linearizable"]


def test_a_workload_is_shown_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    page = said(capsys, "cart")
    assert "percent of turns that take an item out; default 25" in page
    assert "of dynamo; judged by cart" in page
    assert "lineal check FILE --checker cart" not in page.splitlines()
    assert "checkers: lineal check FILE --checker NAME" in page  # It is a checker too.


def test_options_of_nemeses_and_environments_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    page = said(capsys, "nemesis-options")
    assert "Nodes that may be down or without a majority at once" in page
    assert shown(capsys, "nemesis-options")["nemesis-options"].keys() == {
        field.name.replace("_", "-") for field in fields(FaultOptions)
    }
    page = said(capsys, "ssh")
    assert "options (--environment-option NAME=VALUE)" in page
    assert "client-port" in page
    of_docker = shown(capsys, "docker")["environments"]["docker"]["options"]
    assert of_docker.keys() == {field.name for field in fields(DockerOptions)}


def test_a_bug_is_found_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "forget-hints")["bugs"].keys() == {"dynamo"}
    page = said(capsys, "forget-hints")
    assert "nemesis partition,kill" in page
    assert "drop-siblings" not in page


def test_every_name_can_be_asked_for() -> None:
    from lineal.cli.list_command import select

    for section, named in catalogue.everything().items():
        for name in named:
            assert select([name]), (section, name)


def test_a_system_of_ones_own_is_shown_by_its_path(capsys: pytest.CaptureFixture[str]) -> None:
    page = said(capsys, "systems_under_test.redis:SYSTEM")
    assert page.startswith("system systems_under_test.redis:SYSTEM: One primary")


def test_what_is_no_system_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "lineal.definition:standard"]) == exit_status.USAGE
    assert "lineal.definition:standard is no system" in capsys.readouterr().err


def test_a_nemesis_is_found_by_its_variant_and_its_target_too() -> None:
    from lineal.cli.list_command import select

    for name in ("kill:brief", "kill@minority", "kill:brief@leader"):
        assert select([name])["nemeses"].keys() == {"kill"}


def test_unknown_names_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "dynamo", "regsiter", "zzzz"]) == exit_status.USAGE
    error = capsys.readouterr().err
    assert "'regsiter'; did you mean register" in error
    assert "'zzzz'; `lineal list` shows all names." in error


def test_no_sentence_speaks_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    everything = json.dumps(shown(capsys))
    for word in ("`claims`", "BundledSystem", "ForeignSystem", "In a word", "In on/off"):
        assert word not in everything
