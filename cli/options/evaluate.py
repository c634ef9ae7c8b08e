"""Defines the options of `dfs evaluate`."""

from typing import Annotated

import typer

from .. import _completion as offer
from . import shared
from .groups import Group
from .of_settings import options_of

MODELS = "Network: convnet3d, convnet3d-norm, cnn-gru, cnn-lstm, a torchvision model or module:Class."
Store = Annotated[
    str,
    typer.Argument(
        metavar="STORE",
        autocompletion=offer.complete_evaluated,
        help="Store to train on, or `whole` for all real training clips.",
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="NAME|FOLDER|LIST",
        autocompletion=offer.complete_dataset,
        help="Dataset of the real clips.",
        show_default="the store's",
    ),
]
Model = Annotated[
    str, typer.Option("--model", metavar="NAME", autocompletion=offer.one_of(*offer.NETWORKS), help=MODELS)
]
Protocol = Annotated[
    str,
    typer.Option(
        "--protocol",
        autocompletion=offer.one_of("paper", "strict"),
        help="Test protocol: paper (three random passes) or strict (centre clips).",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        "--labels",
        autocompletion=offer.one_of("hard", "soft", "both"),
        show_default="both if stored, else hard",
        help="Train on classes (hard), on soft labels (soft), or once on each (both).",
    ),
]
Runs = Annotated[int, typer.Option("--runs", help="Number of training runs, each with a different seed.")]
Recipe = Annotated[
    str,
    typer.Option(
        "--recipe",
        autocompletion=offer.one_of("paper", "modern"),
        help="Training recipe: paper (SGD) or modern (AdamW with augmentation).",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        show_default="500, or 300 for modern",
        help="Number of passes over the clips; the paper recipe makes one more.",
    ),
]
Lr = Annotated[
    float | None,
    typer.Option("--lr", show_default="0.01, or 0.001 for modern", help="Peak learning rate."),
]
BatchSize = Annotated[int, typer.Option("--batch-size", help="Clips per training step.")]
Results = Annotated[
    str | None,
    typer.Option(
        "--results",
        metavar="FILE",
        help="Write the result to this JSON file.",
        show_default="next to the store",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Estimate the time from a few batches, and exit.")]

# Options for fields of `StoreVideos` and `EvaluationSettings`.
CLIPS = shared.SOURCE | shared.SAMPLING | options_of("hold_out") | shared.DECODER
TRAINING: Group = {
    "model": (Model, "convnet3d"),
    "protocol": (Protocol, "paper"),
    "labels": (Labels, None),
    "runs": (Runs, 5),
    "recipe": (Recipe, "paper"),
    "epochs": (Epochs, None),
    "lr": (Lr, None),
    "batch_size": (BatchSize, 256),
}
