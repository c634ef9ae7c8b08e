"""Output of commands: progress, plans and pictures."""
