"""A harness in a process of its own, to be ended in every way there is.

`python -m tests.systems_under_test.local.harness DIRECTORY END` brings up three nodes, pauses one,
prints a line of JSON with every pid and port, and then ends as END says.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from pathlib import Path

from systems_under_test.environments.local.cluster import LocalCluster
from tests.systems_under_test.local.clusters import tally


def main() -> None:
    directory, end = Path(sys.argv[1]), sys.argv[2]
    with LocalCluster(tally(directory)) as cluster:
        assert cluster._guardian is not None
        cluster.nodes["n2"].pause()
        child = None
        if end == "fork":  # A child that holds a copy of every pipe, as a pool of workers does.
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
            child.start()
        ports = [port.address[1] for port in cluster._ports]
        ports += [
            proxy._server.sockets[0].getsockname()[1]
            for proxy in cluster._running[1].proxies.values()
            if proxy._server is not None
        ]
        pids = [node.pid for node in cluster.nodes.values()]
        print(
            json.dumps(
                {
                    "nodes": pids,
                    "guardian": cluster._guardian.pid,
                    "child": None if child is None else child.pid,
                    "ports": ports,
                }
            ),
            flush=True,
        )
        if end == "normal":
            return
        if end == "exception":
            raise RuntimeError("something went wrong")
        time.sleep(60)


if __name__ == "__main__":
    main()
