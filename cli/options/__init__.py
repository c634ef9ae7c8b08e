"""The options of the commands, and how their values are parsed."""
