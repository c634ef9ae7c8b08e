"""Places, bytes and durable writes: what stores, checkpoints and exports share."""
