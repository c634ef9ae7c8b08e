"""Rebuilds whole batches of clips on the device where they are used."""
