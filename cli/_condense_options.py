"""The options of `dfs condense`, by name. None means: not given, so the settings file or preset decides."""

from typing import Annotated

import typer

from . import _completion as offer

SETTINGS = "Settings of the method (default: the preset of method, dataset and vpc)"
KEPT = "Key frames of real clips (pack needs one of these)"
INSERTION = "Insertion of key frames (dfs)"
MEMORIES = "Memories (static-dynamic)"
RUNNING = "Running"

Text = str | None
Number = float | None
Whole = int | None

Dataset = Annotated[
    Text,
    typer.Option(
        "--dataset", metavar="NAME|FOLDER", help="What to condense.", autocompletion=offer.complete_dataset
    ),
]
Vpc = Annotated[Whole, typer.Option("--vpc", help="Synthetic videos per class.")]
Out = Annotated[
    Text, typer.Option("--out", metavar="STORE", help="*.zarr, *.zarr.zip, *.h5 or *.hdf5; or a URL.")
]
Method = Annotated[
    Text,
    typer.Option(
        "--method",
        help=f"{', '.join(offer.METHODS)}; or module:function of your own.",
        show_default="dfs",
        autocompletion=offer.one_of(*offer.METHODS),
    ),
]
Dtype = Annotated[
    Text,
    typer.Option(
        "--dtype",
        help="float32, float16 or uint8.",
        autocompletion=offer.one_of("float32", "float16", "uint8"),
    ),
]
Iterations = Annotated[Whole, typer.Option(help="Number of steps.", rich_help_panel=SETTINGS)]
Lr = Annotated[Number, typer.Option(help="Learning rate.", rich_help_panel=SETTINGS)]
StaticIterations = Annotated[Whole, typer.Option(help="Steps of stage 1.", rich_help_panel=MEMORIES)]
StaticLr = Annotated[Number, typer.Option(help="Of the static memory.", rich_help_panel=MEMORIES)]
IntegratorLr = Annotated[Number, typer.Option(help="Of their convolution.", rich_help_panel=MEMORIES)]
Momentum = Annotated[Number, typer.Option(help="Momentum of SGD.", rich_help_panel=SETTINGS)]
BatchReal = Annotated[Whole, typer.Option(help="Real clips per class and step.", rich_help_panel=SETTINGS)]
Init = Annotated[
    Text,
    typer.Option(
        help="noise, real or herding.",
        autocompletion=offer.one_of("noise", "real", "herding"),
        rich_help_panel=SETTINGS,
    ),
]
Seed = Annotated[Whole, typer.Option(help="Seed of everything random.", rich_help_panel=SETTINGS)]
InitialKeyFrames = Annotated[
    Whole, typer.Option(help="Key frames at the start.", show_default="2", rich_help_panel=INSERTION)
]
Insertion = Annotated[
    bool | None,
    typer.Option("--insertion/--no-insertion", help="Insert key frames.", rich_help_panel=INSERTION),
]
Epsilon = Annotated[Number, typer.Option(help="Threshold.", rich_help_panel=INSERTION)]
Warmup = Annotated[
    Number, typer.Option(help="Share of steps before.", show_default="0.2", rich_help_panel=INSERTION)
]
Cooldown = Annotated[
    Number, typer.Option(help="Share of steps after.", show_default="0.2", rich_help_panel=INSERTION)
]
InsertEvery = Annotated[
    Number,
    typer.Option(
        metavar="SHARE",
        help="Share of the phase from test to test; 0: every step.",
        show_default="0.05",
        rich_help_panel=INSERTION,
    ),
]
Evidence = Annotated[
    Text,
    typer.Option(
        help="last, mean or persistent, over the steps between tests.",
        show_default="last",
        autocompletion=offer.one_of("last", "mean", "persistent"),
        rich_help_panel=INSERTION,
    ),
]
Persistence = Annotated[
    Number,
    typer.Option(
        metavar="SHARE",
        help="Share of steps that must disagree (persistent).",
        show_default="0.5",
        rich_help_panel=INSERTION,
    ),
]
Score = Annotated[
    Text,
    typer.Option(
        help="Rank by the larger or smaller cosine.",
        show_default="larger",
        autocompletion=offer.one_of("larger", "smaller"),
        rich_help_panel=INSERTION,
    ),
]
Selection = Annotated[
    Text,
    typer.Option(
        help="lowest or random.", autocompletion=offer.one_of("lowest", "random"), rich_help_panel=INSERTION
    ),
]
Metric = Annotated[
    Text,
    typer.Option(
        help="cosine or l2.", autocompletion=offer.one_of("cosine", "l2"), rich_help_panel=INSERTION
    ),
]
Insertions = Annotated[
    Text,
    typer.Option(
        help="one or all at a test.", autocompletion=offer.one_of("one", "all"), rich_help_panel=INSERTION
    ),
]
Gradient = Annotated[
    Text,
    typer.Option(
        help="frame or accumulated.",
        autocompletion=offer.one_of("frame", "accumulated"),
        rich_help_panel=INSERTION,
    ),
]
Extractor = Annotated[
    Text,
    typer.Option(
        metavar="trained|random|FILE",
        help="Features for herding, k-center, pack.",
        autocompletion=offer.one_of("trained", "random"),
        rich_help_panel=SETTINGS,
    ),
]
Budget = Annotated[
    Text, typer.Option(metavar="SIZE", help="Bytes in all, 20MiB (pack).", rich_help_panel=KEPT)
]
KeyFrames = Annotated[
    Whole,
    typer.Option(
        metavar="K",
        help="Per clip (pack: at most; random, herding, k-center: default all).",
        rich_help_panel=KEPT,
    ),
]
MaxError = Annotated[
    Number,
    typer.Option(metavar="LEVELS", help="RMS error, of 255; 2.55 is 40 dB (pack).", rich_help_panel=KEPT),
]
Device = Annotated[
    Text,
    typer.Option(
        help="auto, cpu, cuda or cuda:N.",
        show_default="auto",
        autocompletion=offer.one_of("auto", "cpu", "cuda"),
        rich_help_panel=RUNNING,
    ),
]
Precision = Annotated[
    Text,
    typer.Option(
        help="float32, or bf16 (real side, approximate).",
        autocompletion=offer.one_of("float32", "bf16"),
        rich_help_panel=RUNNING,
    ),
]
Resume = Annotated[
    bool | None, typer.Option("--resume", help="Continue a checkpoint.", rich_help_panel=RUNNING)
]
CheckpointEvery = Annotated[
    Whole, typer.Option(metavar="STEPS", help="Default: 5 minutes.", rich_help_panel=RUNNING)
]
MaxMemory = Annotated[
    Text, typer.Option(metavar="SIZE", help="Of the GPU, or of this process: 8GiB.", rich_help_panel=RUNNING)
]
Overwrite = Annotated[
    bool | None, typer.Option("--overwrite", help="Replace the store.", rich_help_panel=RUNNING)
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan, do nothing.", rich_help_panel=RUNNING)
]
Watch = Annotated[
    Text,
    typer.Option(
        metavar="N,N",
        help="Clips whose cosines the log keeps, for `dfs preview --kind cosine`.",
        show_default="0",
        rich_help_panel=INSERTION,
    ),
]
Track = Annotated[
    Text,
    typer.Option(
        metavar="tensorboard",
        autocompletion=offer.one_of("tensorboard"),
        help="Follow the run there, too.",
        rich_help_panel=RUNNING,
    ),
]
Config = Annotated[
    Text, typer.Option(metavar="FILE", help="Settings as TOML or JSON.", rich_help_panel=RUNNING)
]
