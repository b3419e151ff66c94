"""Use cases: verbs that every channel calls. Each opens one transaction and commits it."""
