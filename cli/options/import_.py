"""The options of `dfs import`, by name. None means that an option was not given."""

from typing import Annotated

import typer

FILE = "A file of clips"
FOLDER = "A folder of class folders"
Text = str | None

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE|FOLDER", help="File (.pt, .npy, .npz, .safetensors) or folder <class>/<clips>."
    ),
]
Out = Annotated[str, typer.Argument(metavar="OUT", help="Store to write; its suffix selects the container.")]
Classes = Annotated[
    Text,
    typer.Option(
        "--classes",
        metavar="FILE|A,B",
        help="Names of the classes in the order of labels; for a folder, the classes to use.",
    ),
]
Normalization = Annotated[
    Text,
    typer.Option(
        "--normalization",
        metavar="imagenet|none|0-255|MEAN/STD",
        help="Mean and std of floats, or to apply to pixels; 0-255: floats are pixels.",
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
    typer.Option("--budget", metavar="SIZE", help="Fit key frames within this size for all clips: 20MiB."),
]
Dataset = Annotated[Text, typer.Option("--dataset", help="Dataset that the clips derive from.")]
Fps = Annotated[float | None, typer.Option("--fps", help="Frames per second, for playback.")]
Layout = Annotated[
    Text,
    typer.Option(
        "--layout",
        help="Order of the axes: auto, NTCHW, NCTHW or NTHWC.",
        show_default="auto",
        rich_help_panel=FILE,
    ),
]
Labels = Annotated[
    Text,
    typer.Option("--labels", metavar="FILE", help="File of labels or class names.", rich_help_panel=FILE),
]
ClipsPerClass = Annotated[
    int | None,
    typer.Option(
        "--clips-per-class",
        "--vpc",
        metavar="V",
        help="Clips per class, if they are sorted by class without labels.",
        rich_help_panel=FILE,
    ),
]
ClipsKey = Annotated[
    Text, typer.Option("--clips-key", help="Name of the array of clips.", rich_help_panel=FILE)
]
LabelsKey = Annotated[
    Text, typer.Option("--labels-key", help="Name of the array of labels.", rich_help_panel=FILE)
]
Frames = Annotated[int | None, typer.Option("--frames", help="Frames per clip (T).", rich_help_panel=FOLDER)]
Stride = Annotated[
    int | None, typer.Option("--stride", help="Take every N-th frame of the video.", rich_help_panel=FOLDER)
]
Size = Annotated[
    int | None, typer.Option("--size", help="Height and width in pixels.", rich_help_panel=FOLDER)
]
Resize = Annotated[
    Text,
    typer.Option(
        "--resize", help="How to resize: keep-crop, stretch-crop or direct.", rich_help_panel=FOLDER
    ),
]
