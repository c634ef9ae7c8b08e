"""Defines the options of `dfs import`. None means that an option was not given."""

from functools import partial
from typing import Annotated

import typer

_for_file = partial(typer.Option, rich_help_panel="Importing a file of clips")
_for_folder = partial(typer.Option, rich_help_panel="Importing a folder of class folders")
Text = str | None

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE|FOLDER",
        help="File of clips (.pt, .npy, .npz, .safetensors) or folder of class folders.",
    ),
]
Out = Annotated[str, typer.Argument(metavar="OUT", help="Store to write; its suffix selects the container.")]
Classes = Annotated[
    Text,
    typer.Option(
        "--classes",
        metavar="FILE|A,B",
        help="Class names in the order of the labels, or, for a folder, the classes to use.",
    ),
]
Normalization = Annotated[
    Text,
    typer.Option(
        "--normalization",
        metavar="imagenet|none|0-255|MEAN/STD",
        help="How float clips were normalised, or how to normalise 8-bit pixels; 0-255 if floats are pixel "
        "values.",
        show_default="the source's, else imagenet",
    ),
]
KeyFrames = Annotated[
    int | None, typer.Option("--key-frames", metavar="K", help="Fit at most K key frames to each clip.")
]
MaxError = Annotated[
    float | None,
    typer.Option(
        "--max-error", metavar="LEVELS", help="Fit the fewest key frames within this RMS error (0-255)."
    ),
]
Budget = Annotated[
    Text,
    typer.Option(
        "--budget", metavar="SIZE", help="Fit key frames within this total size, for example 20MiB."
    ),
]
Dataset = Annotated[Text, typer.Option("--dataset", help="Name of the dataset that the clips come from.")]
Fps = Annotated[float | None, typer.Option("--fps", help="Frames per second, for playback.")]
Layout = Annotated[
    Text,
    _for_file("--layout", help="Order of the dimensions: auto, NTCHW, NCTHW or NTHWC.", show_default="auto"),
]
Labels = Annotated[
    Text, _for_file("--labels", metavar="FILE", help="File with the labels or class names of the clips.")
]
ClipsPerClass = Annotated[
    int | None,
    _for_file(
        "--clips-per-class",
        "--vpc",
        metavar="V",
        help="Number of clips per class, if clips are sorted by class and have no labels.",
    ),
]
ClipsKey = Annotated[Text, _for_file("--clips-key", help="Name of the array that contains the clips.")]
LabelsKey = Annotated[Text, _for_file("--labels-key", help="Name of the array that contains the labels.")]
Frames = Annotated[int | None, _for_folder("--frames", help="Frames per clip (T).")]
Stride = Annotated[int | None, _for_folder("--stride", help="Use every N-th frame of a video.")]
Size = Annotated[int | None, _for_folder("--size", help="Height and width in pixels.")]
Resize = Annotated[
    Text,
    _for_folder(
        "--resize",
        help="How to resize: keep-crop (keep the aspect ratio, then crop), stretch-crop (stretch to 4:3, "
        "then crop) or direct (stretch to a square).",
    ),
]
