"""Cycles of a directed graph whose nodes are numbered from 0: components, and a shortest cycle.

`networkx` is the twin that the tests compare with; it is not imported here because it takes longer
to load than a history takes to judge.
"""

from __future__ import annotations

from typing import Final


def components(successors: list[list[int]]) -> list[int]:
    """For each node the number of its strongly connected component.

    Source: Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1972; with a
    stack of its own, because a history is deeper than Python recurses. O(nodes + edges).
    """
    search = _Search(successors)
    for root in range(len(successors)):
        if search.number[root] == _UNSEEN:
            search.from_root(root)
    return search.component


_UNSEEN: Final = -1


class _Search:
    """The state of the depth-first search. A node without a component is on the stack or unseen."""

    def __init__(self, successors: list[list[int]]) -> None:
        count = len(successors)
        self._successors: Final = successors
        self.number: Final = [_UNSEEN] * count
        self._low: Final = [0] * count
        self.component: Final = [_UNSEEN] * count
        self._stack: Final[list[int]] = []
        self._next_number = 0
        self._next_component = 0

    def from_root(self, root: int) -> None:
        """Search everything that can be reached from this node."""
        path = [(root, iter(self._successors[root]))]
        self._open(root)
        while path:
            node, rest = path[-1]
            for successor in rest:
                if self.number[successor] == _UNSEEN:
                    self._open(successor)
                    path.append((successor, iter(self._successors[successor])))
                    break
                if self.component[successor] == _UNSEEN:
                    self._low[node] = min(self._low[node], self.number[successor])
            else:
                path.pop()
                self._close(node)
                if path:
                    above = path[-1][0]
                    self._low[above] = min(self._low[above], self._low[node])

    def _open(self, node: int) -> None:
        self.number[node] = self._low[node] = self._next_number
        self._next_number += 1
        self._stack.append(node)

    def _close(self, node: int) -> None:
        if self._low[node] != self.number[node]:
            return
        while True:
            member = self._stack.pop()
            self.component[member] = self._next_component
            if member == node:
                break
        self._next_component += 1


def shortest_path(successors: list[list[int]], start: int, end: int) -> list[int]:
    """The nodes of a path with the fewest edges, both ends included; empty if there is none."""
    came_from = {start: start}
    waiting = [start]
    for node in waiting:
        if node == end:
            break
        for successor in successors[node]:
            if successor not in came_from:
                came_from[successor] = node
                waiting.append(successor)
    if end not in came_from:
        return []
    path = [end]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]
