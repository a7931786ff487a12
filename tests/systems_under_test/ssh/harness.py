"""A harness in a process of its own, to be ended in every way there is.

`python -m tests.systems_under_test.ssh.harness DIRECTORY KNOWN_HOSTS IDENTITY SCRATCH ADDRESSES
END` brings up a node on each machine, pauses one, cuts one off, says so, and then ends as END says.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from systems_under_test.environments.ssh.cluster import SshCluster
from systems_under_test.environments.ssh.places import options_of, places_of
from tests.systems_under_test.local.clusters import tally
from tests.systems_under_test.ssh.machines import python


def main() -> None:
    directory, known_hosts, identity, scratch, addresses, end = sys.argv[1:]
    places = places_of(addresses.split(","))
    options = options_of(
        {
            "known-hosts": known_hosts,
            "identity": identity,
            "config": "/dev/null",
            "python": python(),
            "directory": scratch,
        }
    )
    spec = tally(Path(directory), nodes=tuple(place.name for place in places))
    with SshCluster(spec, places, options) as cluster:
        cluster.set_cut([("n1", "n2"), ("n2", "n1")])
        cluster.nodes["n2"].pause()
        print("up", flush=True)
        if end == "normal":
            return
        if end == "exception":
            raise RuntimeError("something went wrong")
        time.sleep(60)


if __name__ == "__main__":
    main()
