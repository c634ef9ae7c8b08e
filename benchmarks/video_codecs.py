"""Encodes clips as H.264 and AV1. Returns the size of the raw stream and the decoded clip."""

from fractions import Fraction

import av
import numpy as np

# Encoder, decoder, options and CRFs that span the qualities of interest.
CODECS = {
    "H.264": ("libx264", "h264", {"preset": "slow"}, (14, 17, 20, 23, 26, 29, 32, 35, 38, 41, 44)),
    "AV1": ("libsvtav1", "libdav1d", {"preset": "4"}, (20, 28, 36, 44, 50, 56, 60, 63)),
}


def video(frames, codec, quality):
    """Encodes a clip, and decodes it again.

    Args:
        frames: (T, H, W, 3) uint8; H and W even.
        codec: one of CODECS.
        quality: the codec's CRF.

    Returns:
        The size of the raw stream without the settings text that x264 adds, and the decoded clip (T, H, W, 3)
        uint8.
    """
    encoder, decoder, options, _ = CODECS[codec]
    writer = av.CodecContext.create(encoder, "w")
    writer.height, writer.width = frames.shape[1:3]
    writer.pix_fmt, writer.time_base, writer.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
    writer.options = {**options, "crf": str(quality)}
    writer.thread_count = 1
    packets = []
    for number, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        packets += writer.encode(frame)
    packets += writer.encode(None)
    reader = av.CodecContext.create(decoder, "r")
    if writer.extradata:
        reader.extradata = writer.extradata
    decoded = [frame for packet in packets for frame in reader.decode(packet)] + list(reader.decode(None))
    pixels = np.stack([frame.to_ndarray(format="rgb24") for frame in decoded])
    size = sum(packet.size for packet in packets)
    return size - (x264_settings_bytes(bytes(packets[0])) if encoder == "libx264" else 0), pixels


def x264_settings_bytes(packet):
    """Returns the number of bytes of the settings text that x264 writes before the first frame."""
    units = packet.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
    return sum(len(unit) + 4 for unit in units if unit[0] & 0x1F == 6)
