"""Attacks through the image files of encoded key frames, with valid checksums and digest."""

import json
import struct

import h5py
import numpy as np
import zarr

from dfs_store.format import StoreWriter, open_store
from dfs_store.format.copying.convert import stored_alike
from dfs_store.format.digest import compute_digest
from dfs_store.format.spec import RESERVED_KEYS, SMALL_ARRAYS
from tests.attacks.image_files import (
    Box,
    build_avif,
    parse_avif,
    samples_of,
    sequence_header,
    unit,
    vp8_of,
    webp_file,
    with_stream_size,
)
from tests.attacks.recipes.registry import attack

WEBP, AVIF = {"encoding": "webp:75"}, {"encoding": "avif:60"}
STILL, SEQUENCE = 1, 2  # clips with one key frame and with three
HEIGHT, WIDTH = 17, 13
TABLES = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
ENTRY = (*TABLES, b"stsd", b"av01")


def with_file(path, clip, change):
    """Changes the first image file of a clip, and copies everything else."""
    with open_store(path) as store:
        files = [store.coded_clip(number) for number in range(len(store))]
        files[clip][0] = change(files[clip][0])
        with StoreWriter(
            path,
            num_frames=store.num_frames,
            frame_shape=store.frame_shape,
            class_names=store.class_names,
            attributes={key: value for key, value in store.attributes.items() if key not in RESERVED_KEYS},
            overwrite=True,
            **stored_alike(store),
        ) as writer:
            for number, each in enumerate(files):
                places, steps = store.positions(number), store.inserted_at(number)
                writer.append_encoded(each, places, int(store.labels[number]), steps)


def vp8(width, height, rest=bytes(24)):
    return b"\x10\x02\x00\x9d\x01\x2a" + struct.pack("<2H", width, height) + rest


@attack(
    "the image must be 17x13, but its header states",
    ".zarr",
    ".h5",
    **WEBP,
    size=[(16383, 16383), (17, 13)],
)
def webp_of_a_gigabyte(path, size):
    """54 bytes that require all memory, or another shape."""
    with_file(path, 0, lambda _: webp_file((b"VP8 ", vp8(*size))))


@attack("the image must be 17x13", ".zarr", **WEBP)
def webp_to_be_enlarged(path):
    """Two bits that request upscaling, which our decoder would ignore."""

    def change(file):
        data = bytearray(vp8_of(file))
        data[7] |= 0x40
        return webp_file((b"VP8 ", bytes(data)))

    with_file(path, 0, change)


def canvas(flags):
    return b"VP8X", bytes([flags, 0, 0, 0]) + struct.pack("<I", WIDTH - 1)[:3] + struct.pack(
        "<I", HEIGHT - 1
    )[:3]


@attack(
    "must be a simple WebP file",
    ".zarr",
    **WEBP,
    chunks=[
        lambda file: [canvas(0), (b"VP8 ", vp8_of(file))],
        lambda file: [canvas(16), (b"ALPH", bytes(HEIGHT * WIDTH + 1)), (b"VP8 ", vp8_of(file))],
        lambda file: [canvas(2), (b"ANIM", bytes(6)), (b"ANMF", bytes(16) + b"VP8 " + vp8_of(file))],
        lambda file: [canvas(32), (b"ICCP", bytes(1000)), (b"VP8 ", vp8_of(file))],
        lambda _: [(b"VP8L", b"\x2f" + struct.pack("<I", 12 | 16 << 14) + bytes(20))],
        lambda file: [(b"ALPH", b"\0"), (b"VP8 ", vp8_of(file))],
        lambda _: [],
    ],
)
def webp_that_is_more_than_a_picture(path, chunks):
    """Layers, animations, profiles and lossless tables, which take more memory than the pixels."""
    with_file(path, 0, lambda file: webp_file(*chunks(file)))


@attack(
    "but its header states a different size|must be a simple WebP file",
    ".zarr",
    **WEBP,
    change=[
        lambda file: file + b"\0\0",
        lambda file: file + file,
        lambda file: file[:4] + struct.pack("<I", 2**32 - 10) + file[8:],
        lambda file: file[:4] + struct.pack("<I", len(file) - 10) + file[8:],
        lambda file: file[:16] + struct.pack("<I", 2**32 - 1) + file[20:],
        lambda file: file[:16] + struct.pack("<I", 0) + file[20:],
        lambda file: webp_file((b"VP8 ", vp8_of(file)), (b"EXIF", b"x")),
        lambda file: file[:19],
        lambda file: b"R",
        lambda _: b"GIF89a" + bytes(100),
    ],
)
def webp_whose_sizes_lie(path, change):
    """Sizes that hide bytes after the image, or that claim missing bytes."""
    with_file(path, 0, change)


def first_partition(data, size):
    tag = int.from_bytes(data[:3], "little")
    return (tag & 0x1F | size << 5).to_bytes(3, "little") + data[3:]


@attack(
    "cannot be decoded as webp",
    ".zarr",
    **WEBP,
    change=[
        lambda data: first_partition(data, 2**19 - 1),
        lambda data: first_partition(data, 0),
        lambda data: bytes([data[0] | 1]) + data[1:],  # not a key frame
        lambda data: bytes([data[0] & ~0x10]) + data[1:],  # not to be shown
        lambda data: bytes([data[0] | 0x0E]) + data[1:],  # a profile that does not exist
        lambda data: data[:10],
        lambda data: data[:12],
        lambda data: vp8(WIDTH, HEIGHT, b""),
    ],
)
def webp_whose_partitions_lie(path, change):
    """Partitions outside the file, and headers of other frames."""
    with_file(path, 0, lambda file: webp_file((b"VP8 ", change(vp8_of(file)))))


@attack(
    "the AV1 stream has 16384x16384|as few bits as possible|it has 17x14|has 18x13",
    ".zarr",
    ".h5",
    **AVIF,
    clip=[STILL, SEQUENCE, STILL, SEQUENCE, STILL],
    size=[(16384, 16384, 0), (16384, 16384, 0), (17, 13, 12), (17, 13, 12), (18, 13, 0)],
)
def avif_stream_of_a_gigabyte(path, clip, size):
    """A sequence header that requires all memory, although the boxes state a small size."""

    def change(data):
        file = parse_avif(data)
        first, *others = samples_of(file)
        return build_avif(file, [with_stream_size(first, *size), *others])

    with_file(path, clip, change)


@attack(
    "the AV1 stream has 16384x16384",
    ".zarr",
    **AVIF,
    place=[lambda first, large: [first, large], lambda first, large: [first[:2] + large[2:] + first[2:]]],
)
def avif_stream_with_a_second_header(path, place):
    """A second sequence header, in another sample or after the first one."""

    def change(data):
        file = parse_avif(data)
        first, second, *others = samples_of(file)
        large = with_stream_size(first, 16384, 16384)
        changed = place(first, large)
        return build_avif(file, [*changed, *([second, *others] if len(changed) == 1 else [second])])

    with_file(path, SEQUENCE, change)


def moved(names, value):
    """Returns a function that changes a table in a complete file."""

    def change(data):
        file = parse_avif(data)
        box = file.find(*names)
        box.content = value(box.content)
        return file.data()

    return change


@attack(
    "contiguous|a sequence of 3|table of frames|fill the mdat box|must be the first frame|must have at most",
    ".zarr",
    **AVIF,
    change=[
        moved((*TABLES, b"stco"), lambda old: old[:-4] + bytes(4)),
        moved((*TABLES, b"stco"), lambda old: old[:7] + b"\x02" + old[8:] + bytes(4)),
        moved((*TABLES, b"stco"), lambda old: b"\x01" + old[1:]),
        moved((*TABLES, b"stsc"), lambda old: struct.pack(">5I", 0, 1, 1, 1, 1)),
        moved((*TABLES, b"stsc"), lambda old: struct.pack(">5I", 0, 1, 1, 2**32 - 1, 1)),
        moved((*TABLES, b"stsc"), lambda old: struct.pack(">8I", 0, 2, 1, 2, 1, 2, 1, 1)),
        moved((*TABLES, b"stsz"), lambda old: struct.pack(">3I", 0, 1, 2**32 - 1)),
        moved((*TABLES, b"stsz"), lambda old: struct.pack(">3I", 0, 0, 0)),
        moved((*TABLES, b"stsz"), lambda old: old[:12] + struct.pack(">3I", 0, 40, 40)),
        moved((*TABLES, b"stsz"), lambda old: old[:12] + struct.pack(">3I", 2**31, 2**31, 2**31)),
        moved((*TABLES, b"stsz"), lambda old: old[:11] + b"\x04" + old[12:] + struct.pack(">I", 1)),
        moved((*TABLES, b"stts"), lambda old: struct.pack(">6I", 0, 2, 1, 1, 2, 1)),
        moved((*TABLES, b"stts"), lambda old: struct.pack(">4I", 0, 1, 2**32 - 1, 1)),
        moved((*TABLES, b"stts"), lambda old: struct.pack(">2I", 0, 500) + bytes(4000)),
        moved((*TABLES, b"stss"), lambda old: struct.pack(">2I", 0, 1000) + bytes(4000)),
        moved((b"meta", b"iloc"), lambda old: old[:-4] + struct.pack(">I", 1)),
        moved((b"meta", b"iloc"), lambda old: b"\x01" + old[1:]),
        moved((b"meta", b"iloc"), lambda old: old[:6] + b"\xff\xff" + old[8:]),
        moved((b"moov", b"trak", b"edts"), lambda old: old * 100),
        moved((b"meta", b"iprp", b"ipco", b"colr"), lambda _: b"prof" + bytes(4000)),
        moved((b"meta", b"iprp", b"ipma"), lambda _: struct.pack(">2I", 0, 2**32 - 1) + bytes(4000)),
        moved((b"ftyp",), lambda old: old + b"avis" * 1000),
    ],
)
def avif_tables_that_lie(path, change):
    """Tables with wrong offsets and sizes, or tables that a decoder searches for every frame."""
    with_file(path, SEQUENCE, change)


@attack(
    "boxes state a different size|as few|must be an AV1 image|one item",
    ".zarr",
    **AVIF,
    clip=[STILL, STILL, SEQUENCE, STILL, STILL, STILL, STILL],
    change=[
        moved((b"meta", b"iprp", b"ipco", b"ispe"), lambda _: struct.pack(">3I", 0, 16384, 16384)),
        moved((b"meta", b"iprp", b"ipco", b"ispe"), lambda _: struct.pack(">3I", 0, HEIGHT, WIDTH)),
        moved((b"moov", b"trak", b"tkhd"), lambda old: old[:-8] + struct.pack(">2I", 2**31, 2**31)),
        moved((b"meta", b"iinf", b"infe"), lambda old: old.replace(b"av01", b"grid")),
        moved((b"meta", b"iinf", b"infe"), lambda old: old.replace(b"av01", b"mime")),
        moved((b"meta", b"iinf"), lambda _: b"\0\0\0\0\xff\xff"),
        moved((b"meta", b"iinf"), lambda _: b"\1\0\0\0\0\1"),
    ],
)
def avif_boxes_that_disagree(path, clip, change):
    """Boxes whose sizes contradict the stream, and items that are not images."""
    with_file(path, clip, change)


@attack(
    "is in the wrong place",
    ".zarr",
    **AVIF,
    place=[
        *[(b"meta", b"iprp", b"ipco")] * 7,
        *[(b"meta",)] * 3,
        (b"moov",),
        *[ENTRY] * 2,
        (b"moov", b"trak"),
        *[()] * 4,
        *[TABLES] * 2,
    ],
    box=[
        Box(b"irot", b"\1"),
        Box(b"imir", b"\0"),
        Box(b"clap", bytes(32)),
        Box(b"auxC", bytes(4) + b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"),
        Box(b"a1op", b"\x1f"),
        Box(b"lsel", b"\0\1"),
        Box(b"a1lx", bytes(7)),
        Box(b"iref", bytes(4)),
        Box(b"idat", bytes(100)),
        Box(b"meta", bytes(4)),
        Box(b"trak"),
        Box(b"irot", b"\1"),
        Box(b"auxi", bytes(4) + b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"),
        Box(b"meta", bytes(4)),
        Box(b"moof", bytes(8)),
        Box(b"mdat", bytes(8)),
        Box(b"meta", bytes(4)),
        Box(b"free", bytes(8)),
        Box(b"stsz", bytes(12)),
        Box(b"co64", bytes(16)),
    ],
)
def avif_with_another_box(path, place, box):
    """Images that are rotated, cropped, layered, derived or attached, and duplicate boxes."""

    def change(data):
        file = parse_avif(data)
        file.find(*place).boxes.append(box)
        return build_avif(file)

    with_file(path, SEQUENCE, change)


@attack(
    "does not fit into the file|are truncated|must have one b'|must have no b'|is in the wrong place",
    ".zarr",
    **AVIF,
    clip=[STILL, STILL, STILL, STILL, STILL, SEQUENCE, STILL, STILL, STILL],
    change=[
        lambda data: struct.pack(">I", 0) + data[4:],
        lambda data: struct.pack(">I", 1) + data[4:8] + struct.pack(">Q", 40) + data[8:],
        lambda data: struct.pack(">I", 2**32 - 1) + data[4:],
        lambda data: data + b"\0",
        lambda data: data[:-10],
        lambda data: data[: data.index(b"moov") - 4] + data[data.index(b"mdat") - 4 :],
        lambda data: build_avif(parse_avif(data[:-8] + data[-8:])).replace(b"pitm", b"iprp"),
        lambda data: b"".join(struct.pack(">I4s4x", 12 * n, b"meta") for n in range(400, 0, -1)),
        lambda data: struct.pack(">I4s", 8, b"moov") * 600,
    ],
)
def avif_whose_boxes_lie(path, clip, change):
    """Boxes that are 64-bit, endless, deeply nested or repeated, and missing tracks."""
    with_file(path, clip, change)


@attack("must have no b'moov' box", ".zarr", **AVIF)
def avif_still_with_a_track(path):
    """A track of three frames in place of a still."""
    with open_store(path) as store:
        sequence = store.coded_clip(SEQUENCE)[0]
    with_file(path, STILL, lambda _: sequence)


@attack(
    "must be one contiguous sequence of 3 frames|must have one b'moov' box",
    ".zarr",
    **AVIF,
    other=[0, 3, STILL],
)
def avif_of_another_clip(path, other):
    """More or fewer frames than the clip has."""
    with open_store(path) as store:
        file = store.coded_clip(other)[0]
    with_file(path, SEQUENCE, lambda _: file)


def samples(change, clip=SEQUENCE):
    def whole(data):
        file = parse_avif(data)
        return build_avif(file, change(samples_of(file)))

    return clip, whole


@attack(
    "must fill the mdat box|that an image does not need|or layers|is truncated|cannot be decoded as avif",
    ".zarr",
    **AVIF,
    case=[
        samples(lambda found: [found[0], b"", found[2]]),
        samples(lambda found: [b"", b"", found[0]]),
        samples(lambda found: [found[0], found[1] * 9, found[2]]),
        samples(lambda found: [found[0][:2] * 65 + found[0], *found[1:]]),
        samples(lambda found: [unit(5, bytes(100)) + found[0], *found[1:]]),
        samples(lambda found: [unit(8, bytes(100)) + found[0], *found[1:]]),
        samples(lambda found: [unit(1, b"") + found[0], *found[1:]]),
        samples(lambda found: [found[0], unit(6, b"", extension=b"\x08"), found[2]]),
        samples(lambda found: [found[0][:-1], *found[1:]]),
        samples(lambda found: [found[0], b"\x10" + found[1][2:], found[2]]),
        samples(lambda found: [found[0], b"\x32\xff\xff\xff\xff\xff", found[2]]),
        samples(lambda found: [found[0], bytes(40), found[2]]),
        samples(lambda found: [found[1], found[0], found[2]]),
        samples(lambda found: [found[0], b"\x12\0", found[2]]),
        samples(lambda found: [found[0][:2] + found[0][sequence_header(found[0])[1] :], *found[1:]]),
        samples(lambda found: [found[0] * 9], STILL),
        samples(lambda found: [b"\x12\0"], STILL),
        samples(lambda found: [found[0][:20]], STILL),
    ],
)
def avif_samples_that_lie(path, case):
    """Samples that are empty, swapped, layered, or have too many hidden frames."""
    with_file(path, *case)


@attack("must begin with a sequence header|no timing information and no layers", ".zarr", **AVIF, bit=[5, 8])
def avif_streams_of_other_kinds(path, bit):
    """Timing tables and operating points in the sequence header."""

    def change(found):
        start, _ = sequence_header(found[0])
        data = bytearray(found[0])
        data[start + bit // 8] |= 0x80 >> bit % 8
        return [bytes(data), *found[1:]]

    with_file(path, *samples(change))


def with_arrays(path, change):
    """Changes the small arrays of a store, and updates its digest."""
    if path.suffix == ".zarr":
        group = zarr.open_group(path, mode="r")
        arrays = {name: group[name][...] for name in SMALL_ARRAYS if name in group}
        header = json.loads((path / "zarr.json").read_text())
        attributes = header["attributes"]["dfs_store"]
        end = change(arrays)
        attributes["digest"] = compute_digest(attributes, arrays, (end,), "uint8")
        header.pop("consolidated_metadata", None)
        (path / "zarr.json").write_text(json.dumps(header))
        for name, values in arrays.items():
            (path / name / ("c.0" if values.ndim == 1 else "c.0.0")).write_bytes(values.tobytes())
        return end
    with h5py.File(path, "r+") as file:
        arrays = {name: file[name][...] for name in SMALL_ARRAYS if name in file}
        attributes = json.loads(file["dfs_store"][...].tobytes())
        end = change(arrays)
        attributes["digest"] = compute_digest(attributes, arrays, (end,), "uint8")
        for name, values in arrays.items():
            file[name][...] = values
        del file["dfs_store"]
        file["dfs_store"] = np.frombuffer(json.dumps(attributes).encode(), np.uint8)
        return end


def lengthened(arrays, end):
    arrays["coded_offsets"][-1] = end
    return end


@attack(
    "an image file that decodes to .* must have|chunks, but at most|take .* bytes each",
    ".zarr",
    **AVIF,
    length=[2**20, 2**33, 2**50, 2**61],
    chunk=[1, 2**20, 2**29, 2**61],
)
def coded_bytes_without_end(path, length, chunk):
    """One image file of a petabyte, in chunks that are missing or one byte long."""
    metadata = json.loads((path / "coded_frames" / "zarr.json").read_text())
    metadata["shape"] = [length]
    metadata["chunk_grid"]["configuration"]["chunk_shape"] = [chunk]
    with_arrays(path, lambda arrays: lengthened(arrays, length))
    (path / "coded_frames" / "zarr.json").write_text(json.dumps(metadata))


@attack("coded_offsets must", ".zarr", ".h5", **WEBP, place=[0, 3, 5, -1], value=[1, 0, 2**62, 7])
def coded_offsets_out_of_range(path, place, value):
    """Image files that start outside the array, or before the previous one."""

    def change(arrays):
        end = int(arrays["coded_offsets"][-1])
        arrays["coded_offsets"][place] = value
        return end

    with_arrays(path, change)


@attack("must have at most 16383 rows|a frame must", ".zarr", ".h5", **WEBP, side=[16384, 2**25])
def coded_frames_of_a_gigabyte(path, side):
    """Frames that are too large for any encoder."""
    from tests.format.making import edit_attributes

    edit_attributes(path, lambda attributes: attributes.update(frame_shape=[3, 1, side]))
