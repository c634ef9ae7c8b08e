"""The rules of a store, and who checks them: when it is opened, and all at once."""
