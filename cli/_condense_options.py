"""The options of `dfs condense`, by name. None means: not given, so the settings file or preset decides."""

from typing import Annotated

import typer

SETTINGS = "Settings of the method (default: the preset of method, dataset and vpc)"
PACK = "How many key frames (pack; give one)"
INSERTION = "Insertion of key frames (dfs)"
MEMORIES = "Memories (static-dynamic)"
RUNNING = "Running"

Text = str | None
Number = float | None
Whole = int | None

Dataset = Annotated[Text, typer.Option("--dataset", metavar="NAME|FOLDER", help="What to condense.")]
Vpc = Annotated[Whole, typer.Option("--vpc", help="Synthetic videos per class.")]
Out = Annotated[
    Text, typer.Option("--out", metavar="STORE", help="*.zarr, *.zarr.zip, *.h5 or *.hdf5; or a URL.")
]
Method = Annotated[
    Text,
    typer.Option(
        "--method", help="dfs, dm, static-dynamic, random, herding, k-center or pack.  [default: dfs]"
    ),
]
Dtype = Annotated[Text, typer.Option("--dtype", help="float32, float16 or uint8.")]
Iterations = Annotated[Whole, typer.Option(help="Number of steps.", rich_help_panel=SETTINGS)]
Lr = Annotated[Number, typer.Option(help="Learning rate.", rich_help_panel=SETTINGS)]
StaticIterations = Annotated[Whole, typer.Option(help="Steps of stage 1.", rich_help_panel=MEMORIES)]
StaticLr = Annotated[Number, typer.Option(help="Of the static memory.", rich_help_panel=MEMORIES)]
IntegratorLr = Annotated[Number, typer.Option(help="Of their convolution.", rich_help_panel=MEMORIES)]
Momentum = Annotated[Number, typer.Option(help="Momentum of SGD.", rich_help_panel=SETTINGS)]
BatchReal = Annotated[Whole, typer.Option(help="Real clips per class and step.", rich_help_panel=SETTINGS)]
Init = Annotated[Text, typer.Option(help="noise or real.", rich_help_panel=SETTINGS)]
Seed = Annotated[Whole, typer.Option(help="Seed of everything random.", rich_help_panel=SETTINGS)]
InitialKeyFrames = Annotated[
    Whole, typer.Option(help="Key frames at the start.  [default: 2]", rich_help_panel=INSERTION)
]
Insertion = Annotated[
    bool | None, typer.Option("--insertion/--no-insertion", help="Insert at all.", rich_help_panel=INSERTION)
]
Epsilon = Annotated[Number, typer.Option(help="Threshold.", rich_help_panel=INSERTION)]
Warmup = Annotated[
    Number, typer.Option(help="Share of steps before.  [default: 0.2]", rich_help_panel=INSERTION)
]
Cooldown = Annotated[
    Number, typer.Option(help="Share of steps after.  [default: 0.2]", rich_help_panel=INSERTION)
]
Selection = Annotated[Text, typer.Option(help="lowest or random.", rich_help_panel=INSERTION)]
Metric = Annotated[Text, typer.Option(help="cosine or l2.", rich_help_panel=INSERTION)]
Insertions = Annotated[Text, typer.Option(help="one or all at a step.", rich_help_panel=INSERTION)]
Gradient = Annotated[Text, typer.Option(help="frame or accumulated.", rich_help_panel=INSERTION)]
Extractor = Annotated[
    Text,
    typer.Option(
        metavar="trained|random|FILE", help="Features for herding, k-center, pack.", rich_help_panel=SETTINGS
    ),
]
Budget = Annotated[Text, typer.Option(metavar="SIZE", help="Bytes in all, 20MiB.", rich_help_panel=PACK)]
KeyFrames = Annotated[Whole, typer.Option(metavar="K", help="Per clip.", rich_help_panel=PACK)]
MaxError = Annotated[
    Number, typer.Option(metavar="LEVELS", help="RMS, of 255 (2.55 is 40 dB).", rich_help_panel=PACK)
]
Device = Annotated[
    Text, typer.Option(help="auto, cpu, cuda or cuda:N.  [default: auto]", rich_help_panel=RUNNING)
]
Precision = Annotated[
    Text, typer.Option(help="float32, or bf16 (real side, approximate).", rich_help_panel=RUNNING)
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
Config = Annotated[
    Text, typer.Option(metavar="FILE", help="Settings as TOML or JSON.", rich_help_panel=RUNNING)
]
