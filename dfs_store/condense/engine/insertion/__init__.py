"""Insertion of key frames: the rule (Eq. 4-7), what it looks at, and the budget."""
