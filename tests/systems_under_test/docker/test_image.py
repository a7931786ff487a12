"""The image holds what a node imports and no more, and is known by what it holds."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker import distribution, image
from systems_under_test.environments.docker.closure import closure_of
from systems_under_test.environments.docker.engine import connect
from systems_under_test.environments.docker.image import ensure_image
from tests.systems_under_test.docker.containers import require_docker

if TYPE_CHECKING:
    from pathlib import Path

REPLICAS = ("systems_under_test.dynamo.replica", "systems_under_test.atomic.replica")


def test_a_node_imports_nothing_of_the_checker() -> None:
    found = closure_of(["systems_under_test.host.__main__", *REPLICAS])
    tops = {place.partition("/")[0] for place in found.files}
    assert tops == {"systems_under_test"}
    assert found.packages == {"msgspec"}
    assert found.optional == {"lmdb"}
    assert "systems_under_test/host/sqlite.py" in found.files, "imports inside functions count"
    assert "systems_under_test/dynamo/codec.py" not in found.files


def test_what_is_imported_under_a_guard_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "guarded_store"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "fast.py").write_text("import nobody_has_this\nimport msgspec\n")
    (package / "replica.py").write_text(
        "import guarded_store\n"
        "try:\n    from guarded_store import fast\n"
        "except ModuleNotFoundError:\n    fast = None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = closure_of(["guarded_store.replica"])
    assert (found.packages, found.optional) == (set(), {"msgspec"})
    assert "guarded_store/fast.py" in found.files
    (package / "replica.py").write_text("import guarded_store.fast\n")
    with pytest.raises(EnvironmentFailed, match="no module nobody_has_this"):
        closure_of(["guarded_store.replica"])


def test_imports_for_a_type_checker_alone_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "my_store"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "pages.py").write_text("import json\n")
    (package / "replica.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from . import pages\n"
        "if TYPE_CHECKING:\n    import checker.verdict\nelse:\n    import msgspec\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = closure_of(["my_store.replica"])
    assert set(found.files) == {
        "my_store/__init__.py",
        "my_store/pages.py",
        "my_store/replica.py",
    }
    assert found.packages == {"msgspec"}


def test_a_module_that_does_not_exist_is_named() -> None:
    with pytest.raises(EnvironmentFailed, match="no module no_such_store"):
        closure_of(["no_such_store"])


def test_without_root_it_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(distribution, "base_tag", lambda: "lineal-base:bookworm")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    client = None
    with pytest.raises(EnvironmentFailed, match="sudo lineal image"):
        distribution.make_base(client, print)  # type: ignore[arg-type]  # It is not asked.


@pytest.mark.live
@pytest.mark.docker
def test_changed_code_is_another_image_and_the_same_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_docker()
    store = tmp_path / f"store_{os.getpid()}.py"
    monkeypatch.syspath_prepend(tmp_path)
    # Of our own code nothing: somebody may be editing it while this test runs.
    monkeypatch.setattr(image, "_roots", lambda path: [path.partition(":")[0]])
    store.write_text("import msgspec\nANSWER = 1\n")
    client = connect()
    said: list[str] = []
    tags: list[str] = []
    try:
        tags.append(ensure_image(client, f"{store.stem}:make", tell=said.append))
        tags.append(ensure_image(client, f"{store.stem}:make", tell=said.append))
        assert len(said) == 1
        assert tags[0] == tags[1]
        store.write_text("import msgspec\nANSWER = 2\n")
        tags.append(ensure_image(client, f"{store.stem}:make"))
        assert tags[2] != tags[0]
        assert client.images.get(tags[2]).labels["lineal"] == "image"
        code = f"import json, sys, msgspec, {store.stem} as s; import os; "
        code += "print(json.dumps([s.ANSWER, sys.version_info[:2] >= (3, 11), "
        code += "sorted(os.listdir('/opt/lineal'))]))"
        printed = client.containers.run(
            tags[2], ["-c", code], entrypoint="python3", remove=True, network_mode="none"
        )
        answer, new_enough, held = json.loads(printed)
        assert (answer, new_enough) == (2, True)
        assert not {"checker", "workloads", "nemesis", "reports", "lineal"} & set(held)
    finally:
        for tag in {*tags}:
            client.images.remove(tag, force=True)
        client.close()
        sys.modules.pop(store.stem, None)
