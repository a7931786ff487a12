"""Histories of other tools, recognized by content: EDN of Jepsen and Porcupine, logs of Jepsen.

`formats.read` is what users call. `twin` and `edn` are the openly simple twin of the native reader.
"""
