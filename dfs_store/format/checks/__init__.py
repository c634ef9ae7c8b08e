"""The rules of a store, checked when it is opened or for the whole store."""
