"""The commands' options, and the parsers of their values."""
