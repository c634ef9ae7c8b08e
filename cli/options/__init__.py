"""The options of the commands, and what is made of what was typed."""
