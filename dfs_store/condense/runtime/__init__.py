"""The environment of a run: device, memory, processes, checkpoints, logs and locks."""
