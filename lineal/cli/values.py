"""Reads what stands behind a flag: options, node lists, positive numbers."""

from __future__ import annotations

import argparse
from typing import Any, Final

import msgspec

COUNT_DIGITS_MAX: Final = 18
WORKERS_MAX: Final = 256


def option(text: str) -> tuple[str, Any]:
    """`key=value`; the value is JSON where it is JSON, otherwise the text itself."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form key=value")
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value


def json(text: str) -> Any:
    """A JSON value."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        example = """null, 0, '"x"' or '{"x": 0}'"""
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON: write {example}") from None


def nodes(text: str) -> tuple[str, ...]:
    """`5` for n1 to n5, names: `a,b,c`, or machines: `user@host:port,...`."""
    if text.isdecimal():
        if not 1 <= int(text) <= 100:
            raise argparse.ArgumentTypeError("between 1 and 100 nodes")
        return tuple(f"n{i + 1}" for i in range(int(text)))
    names = tuple(name.strip() for name in text.split(","))
    if any(sign in text for sign in "@:=."):
        from systems_under_test.environments.ssh.places import places_of

        try:
            places_of(names)
        except ValueError as error:
            raise argparse.ArgumentTypeError("; ".join(str(error).splitlines())) from None
        return names
    for name in names:
        if not name.isidentifier():
            raise argparse.ArgumentTypeError(f"{name!r} is no name: use letters, digits and _")
    return names


def positive(text: str) -> float:
    """A number above zero."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def count(text: str) -> int:
    """A whole number above zero."""
    # Of other digits, as of powers, int() makes no number, nor of thousands of them.
    if not text.isdecimal() or not text.strip("0"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    if len(text) > COUNT_DIGITS_MAX:
        raise argparse.ArgumentTypeError(f"{text[:COUNT_DIGITS_MAX]}... is too large a number")
    return int(text)


def workers(text: str) -> int:
    """How many processes judge: all of them are started at once."""
    if count(text) > WORKERS_MAX:
        raise argparse.ArgumentTypeError(f"between 1 and {WORKERS_MAX} processes, not {text}")
    return int(text)
