"""Linearizability: whether an order of the operations explains every answer.

`checker.py` judges a history, `twin.py` says by definition what it must answer, `automaton.py`
numbers a model's states for the native search, `witness.py` explains a violation.
"""
