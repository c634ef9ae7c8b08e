"""The options of `dfs evaluate`, by name."""

from typing import Annotated

import typer

from .. import _completion as offer

MODELS = "convnet3d, cnn-gru, cnn-lstm, a video model of torchvision (r3d_18 ...), or module:Class."

Store = Annotated[
    str,
    typer.Argument(
        metavar="STORE",
        autocompletion=offer.complete_evaluated,
        help="A store, or the word `whole`: all real training clips.",
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="NAME|FOLDER|LIST",
        autocompletion=offer.complete_dataset,
        help="Test clips (else what the store came from).",
    ),
]
Model = Annotated[
    str, typer.Option("--model", metavar="NAME", autocompletion=offer.one_of(*offer.NETWORKS), help=MODELS)
]
Protocol = Annotated[
    str, typer.Option("--protocol", autocompletion=offer.one_of("paper", "strict"), help="paper or strict.")
]
Runs = Annotated[int, typer.Option("--runs", help="Trainings, each with its own seed.")]
Epochs = Annotated[int, typer.Option("--epochs", help="The published N: N + 1 passes over the clips.")]
Lr = Annotated[float, typer.Option("--lr", help="Learning rate; a tenth of it after pass N // 2 + 2.")]
BatchSize = Annotated[int, typer.Option("--batch-size", help="Clips per training step.")]
Results = Annotated[
    str | None, typer.Option("--results", metavar="FILE", help="Where the JSON goes (else beside the store).")
]
