"""Where LINEAL_REQUIRE names docker, nothing that a machine can be given may be wanting."""

from __future__ import annotations

import pytest

from tests.systems_under_test.docker.containers import require_for_docker


def test_a_want_skips_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAL_REQUIRE", "ssh")
    require_for_docker(None)
    with pytest.raises(pytest.skip.Exception, match="no `mount`"):
        require_for_docker("there is no `mount` here")


def test_a_want_fails_the_test_where_docker_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAL_REQUIRE", "ssh,docker")
    require_for_docker(None)
    with pytest.raises(pytest.fail.Exception, match="LINEAL_REQUIRE names docker, but: there is"):
        require_for_docker("there is no `mount` here")
