"""A causal context comes back as it was given out, and nothing else is taken for one."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import md5

import msgspec
import pytest

from systems_under_test.dynamo.causal_context import BadContext, from_token, to_token
from systems_under_test.dynamo.ring import Ring, random_tokens

RING = Ring(random_tokens({"n1": 4}))
KEY, OTHER = RING.place(b"k"), RING.place(b"other")
HISTORY = (("n1", 1, (0, 3, 5, 6)), ("n2", 4, (7, 8)))


def test_comes_back_as_it_was_given_out() -> None:
    assert from_token(KEY, to_token(KEY, HISTORY)) == (HISTORY, "")
    assert from_token(KEY, to_token(KEY, HISTORY, "n3")) == (HISTORY, "n3")
    assert from_token(KEY, to_token(KEY, ())) == ((), "")


def test_the_same_history_always_gives_the_same_token() -> None:
    assert to_token(KEY, HISTORY) == to_token(KEY, tuple(HISTORY))


def test_refuses_a_context_of_another_key() -> None:
    with pytest.raises(BadContext, match="another key"):
        from_token(OTHER, to_token(KEY, HISTORY))


def test_refuses_every_altered_or_cut_token() -> None:
    raw = urlsafe_b64decode(to_token(KEY, HISTORY))
    for i in range(len(raw)):
        altered = raw[:i] + bytes([raw[i] ^ 1]) + raw[i + 1 :]
        with pytest.raises(BadContext):
            from_token(KEY, urlsafe_b64encode(altered).decode())
        with pytest.raises(BadContext):
            from_token(KEY, urlsafe_b64encode(raw[:i]).decode())


@pytest.mark.parametrize("added", ["!!", "*", " ", "\n", "AAAA", "=", "=AAAA"])
def test_refuses_a_token_with_anything_added_anywhere(added: str) -> None:
    token = to_token(KEY, HISTORY)
    for i in range(len(token) + 1):
        with pytest.raises(BadContext):
            from_token(KEY, token[:i] + added + token[i:])


@pytest.mark.parametrize("token", ["x", "null", "é", "!!!!", "A" * 100_000, "AAAA"])
def test_refuses_what_is_no_token(token: str) -> None:
    with pytest.raises(BadContext):
        from_token(KEY, token)


@pytest.mark.parametrize(
    "history",
    [
        (("n2", 1, (0, 1)), ("n1", 1, (0, 1))),
        (("n1", 1, (0, 1)), ("n1", 1, (1, 2))),
        (("n1", 1, (3, 2)),),
        (("n1", 1, (1,)),),
        (("n1", 1, ()),),
        (("n1", 1, (0, 2, 2, 3)),),
    ],
)
def test_refuses_a_history_that_is_not_in_order(history: object) -> None:
    content = msgspec.msgpack.encode((KEY.stored[:16], history))
    token = urlsafe_b64encode(md5(content).digest()[:4] + content).decode()
    with pytest.raises(BadContext, match="not in order"):
        from_token(KEY, token)
