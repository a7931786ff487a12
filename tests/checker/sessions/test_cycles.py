from __future__ import annotations

import itertools
import random

import networkx

from checker.sessions.cycles import components, shortest_path


def random_graph(seed: int) -> list[list[int]]:
    rng = random.Random(seed)
    count = rng.randrange(1, 12)
    density = rng.choice((0.05, 0.15, 0.4))
    return [[b for b in range(count) if rng.random() < density] for _ in range(count)]


def as_networkx(successors: list[list[int]]) -> networkx.DiGraph[int]:
    graph: networkx.DiGraph[int] = networkx.DiGraph()
    graph.add_nodes_from(range(len(successors)))
    graph.add_edges_from((a, b) for a, following in enumerate(successors) for b in following)
    return graph


def test_components_are_those_of_networkx() -> None:
    for seed in range(500):
        successors = random_graph(seed)
        numbers = components(successors)
        nodes = range(len(successors))
        mine = {frozenset(n for n in nodes if numbers[n] == number) for number in numbers}
        theirs = networkx.strongly_connected_components(as_networkx(successors))
        assert mine == {frozenset(component) for component in theirs}


def test_shortest_paths_are_as_long_as_those_of_networkx() -> None:
    for seed in range(200):
        successors = random_graph(seed)
        lengths = dict(networkx.all_pairs_shortest_path_length(as_networkx(successors)))
        for start in range(len(successors)):
            for end in range(len(successors)):
                path = shortest_path(successors, start, end)
                assert len(path) - 1 == lengths[start].get(end, -1)
                assert all(b in successors[a] for a, b in itertools.pairwise(path))


def test_a_deep_graph_needs_no_recursion() -> None:
    count = 100_000
    ring = [[(node + 1) % count] for node in range(count)]
    assert set(components(ring)) == {0}
