"""From a video file to the frames of a clip, in processes that may crash."""
