"""Insertion of key frames: the rule (Eq. 4-7), its evidence, and the budget."""
