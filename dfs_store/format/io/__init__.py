"""Paths, byte sources and durable writes, shared by stores, checkpoints and exports."""
