"""What surrounds the steps of a run: device, memory, processes, checkpoints, logs and locks."""
