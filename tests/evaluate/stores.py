"""Writes small stores for the evaluation tests."""

from dfs_store import StoreWriter


def write_real_clips(path, videos):
    """Writes every frame of real clips into a store and returns the store's path."""
    with StoreWriter(
        path,
        num_frames=videos.num_frames,
        frame_shape=videos.frame_shape,
        class_names=videos.classes,
        attributes={"normalization": videos.normalization},
    ) as writer:
        for number in range(len(videos)):
            frames = videos.clip(number).permute(1, 0, 2, 3).numpy()
            writer.append(frames, range(videos.num_frames), videos.targets[number])
    return path
