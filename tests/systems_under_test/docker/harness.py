"""A harness in a process of its own, to be ended in every way there is.

`python -m tests.systems_under_test.docker.harness DIRECTORY END [OPTION=VALUE...]` brings up three
nodes, pauses one, prints a line of JSON, and then ends as END says.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from systems_under_test.environments.docker.options import options_of
from tests.systems_under_test.docker.containers import containers


def main() -> None:
    directory, end, *words = sys.argv[1:]
    options = options_of(dict(word.split("=", 1) for word in words))
    cluster = containers(Path(directory), options)
    print(json.dumps({"run": cluster.run_id}), flush=True)
    with cluster:
        guardian = cluster._guardian
        assert guardian is not None
        cluster.nodes["n2"].pause()
        print(json.dumps({"guardian": guardian.pid}), flush=True)
        if end == "normal":
            return
        if end == "exception":
            raise RuntimeError("something went wrong")
        time.sleep(60)


if __name__ == "__main__":
    main()
