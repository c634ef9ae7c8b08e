"""The options of `dfs import`, by name. None means: not given."""

from typing import Annotated

import typer

FILE = "A file of clips"
FOLDER = "A folder of class folders"
Text = str | None

Source = Annotated[
    str, typer.Argument(metavar="FILE|FOLDER", help=".pt, .npy, .npz, .safetensors, or <class>/<clips>.")
]
Out = Annotated[str, typer.Argument(metavar="OUT", help="The store; the suffix names the container.")]
Classes = Annotated[
    Text,
    typer.Option(
        "--classes",
        metavar="FILE|A,B",
        help="Names of the classes in the order of their labels; of a folder: only these.",
    ),
]
Normalization = Annotated[
    Text,
    typer.Option(
        "--normalization",
        metavar="imagenet|none|0-255|MEAN/STD",
        help="What floats were, and pixels are, normalised with; 0-255: floats are pixels.",
        show_default="the source's, else imagenet",
    ),
]
KeyFrames = Annotated[
    int | None, typer.Option("--key-frames", metavar="K", help="At most K per clip, fitted.")
]
MaxError = Annotated[
    float | None,
    typer.Option("--max-error", metavar="LEVELS", help="As few key frames as stay within this RMS, of 255."),
]
Budget = Annotated[
    Text, typer.Option("--budget", metavar="SIZE", help="As many as all clips' bytes allow: 20MiB.")
]
Dataset = Annotated[Text, typer.Option("--dataset", help="What the clips derive from.")]
Fps = Annotated[float | None, typer.Option("--fps", help="Frames per second, for playback.")]
Layout = Annotated[
    Text,
    typer.Option("--layout", help="auto, NTCHW, NCTHW or NTHWC.", show_default="auto", rich_help_panel=FILE),
]
Labels = Annotated[
    Text, typer.Option("--labels", metavar="FILE", help="Labels or class names.", rich_help_panel=FILE)
]
ClipsPerClass = Annotated[
    int | None,
    typer.Option(
        "--clips-per-class", "--vpc", metavar="V", help="They lie class by class.", rich_help_panel=FILE
    ),
]
ClipsKey = Annotated[
    Text, typer.Option("--clips-key", help="Which array holds the clips.", rich_help_panel=FILE)
]
LabelsKey = Annotated[
    Text, typer.Option("--labels-key", help="Which array holds the labels.", rich_help_panel=FILE)
]
Frames = Annotated[int | None, typer.Option("--frames", help="Frames per clip (T).", rich_help_panel=FOLDER)]
Stride = Annotated[
    int | None, typer.Option("--stride", help="Interval between frames.", rich_help_panel=FOLDER)
]
Size = Annotated[int | None, typer.Option("--size", help="Height and width, pixels.", rich_help_panel=FOLDER)]
Resize = Annotated[
    Text,
    typer.Option("--resize", help="keep-crop, stretch-crop or direct.", rich_help_panel=FOLDER),
]
