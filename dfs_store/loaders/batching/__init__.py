"""Whole batches of clips, rebuilt from key frames that stay where they are used."""
