"""`lineal bench dynamo` and `lineal bench sessions`: the tables tell what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lineal.bench import admission, dynamo, own_writes, recorded
from lineal.cli.main import main

PAGE = (Path(__file__).parents[2] / "docs/systems/dynamo.md").read_text(encoding="utf-8")


@pytest.mark.live
def test_the_table_of_the_store_has_a_row_for_each_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamo, "WAYS", dynamo.WAYS[:2])
    monkeypatch.setattr(dynamo, "WARM_UP_S", 0.5)
    monkeypatch.setattr(recorded, "WORKLOADS", recorded.WORKLOADS[:1])
    monkeypatch.setattr(recorded, "SECONDS", 0.2)
    assert main(["bench", "dynamo", "--seconds", "1"]) == 0
    table = capsys.readouterr().out
    for way in dynamo.WAYS:
        (row,) = re.findall(rf"^\| {re.escape(way.name)} \| .*$", table, re.MULTILINE)
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == len(dynamo.HEAD)
        assert int(cells[1].replace(",", "")) > 20
        assert cells[6] == "0", "no operation may fail"
    assert re.search(r"^\| `siblings`, 1,000 keys \| [1-9][\d,]* \|", table, re.MULTILINE)


@pytest.mark.live
def test_the_table_of_admission_has_a_row_for_each_way_and_changes_where_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "WAYS", (admission.WAYS[0], admission.WAYS[2]))
    monkeypatch.setattr(admission, "FILL_KEYS", 100)
    monkeypatch.setattr(admission, "FILL_S", 1.0)
    assert main(["bench", "admission", "--seconds", "6"]) == 0
    head, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == list(admission.HEAD)
    still, changing = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows)
    assert (still[0], still[4]) == ("stay as they are", "0")
    assert changing[0] == "change, with admission control"
    assert int(changing[4]) > 0, "a spare has joined or left"
    for cells in (still, changing):
        assert int(cells[1].replace(",", "")) > 20
        assert re.fullmatch(r"[\d.]+ ms / [\d.]+ ms / [\d.]+ ms", cells[2])
        assert float(cells[3].removesuffix(" ms")) >= float(cells[2].split()[0])


def test_quantiles_are_of_the_sorted_durations() -> None:
    durations = list(range(1000, 0, -1))
    assert dynamo.quantile(durations, 0.5) == 501
    assert dynamo.quantile(durations, 0.999) == 1000
    assert dynamo.quantile([], 0.5) is None


def test_only_what_clients_did_while_they_were_driven_is_counted() -> None:
    driven = recorded.drive("siblings", 0.2, {"keys": 100})
    assert 100 < driven.operations < recorded.RATE * 0.2 * 1.5
    assert driven.cpu_s > 0


def test_the_page_tells_the_figures_of_every_way_and_workload() -> None:
    for way in dynamo.WAYS:
        assert f"| {way.name} | " in PAGE
    for workload, options in recorded.WORKLOADS:
        assert f"| `{workload}`, {options['keys']:,} keys | " in PAGE


def test_shares_of_own_writes_are_counted_over_seeds() -> None:
    (sticky, roaming) = own_writes.hits("none", "on", range(1))
    for found, asked in (sticky, roaming):
        assert 100 < found <= asked


SHARE = re.compile(r"([0-9.]+) % of [0-9,]+")


@pytest.mark.soak
def test_the_table_of_sessions_on_the_page_is_about_what_the_command_prints() -> None:
    """About: each change of the store reshuffles what a seed does, by chance a point or two."""
    for row in list(own_writes.table())[2:]:
        name = row[: SHARE.search(row).start()]  # type: ignore[union-attr]
        (shown,) = [line for line in PAGE.splitlines() if line.startswith(name)]
        pairs = zip(SHARE.findall(row), SHARE.findall(shown), strict=True)
        assert all(abs(float(one) - float(other)) < 4 for one, other in pairs), (row, shown)
