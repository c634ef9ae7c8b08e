"""Specifies a comparison, as stored in `compare.json`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dfs_store.byte_sizes import parse_bytes
from dfs_store.condense.methods import method_named
from dfs_store.condense.settings import ClipsPerClass
from dfs_store.errors import SettingsError
from dfs_store.evaluate.run import EvaluationSettings
from dfs_store.evaluate.sources import LABELS
from dfs_store.names import known_name

__all__ = ["CONTROLS", "SPECIFICATION_SCHEMA", "Comparison", "differences"]

SPECIFICATION_SCHEMA = "dfs.compare.specification/1"
CONTROLS = ("equal-clips", "equal-frames", "equal-bytes", "equal-passes", "still", "whole")
_SAMPLING = (
    "frames", "stride", "size", "split", "classes", "hold_out", "test_list", "class_names", "folder_layout",
    "decoder",
)  # fmt: skip
# Fields that do not affect the result.
_CIRCUMSTANCES = ("root", "device")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The specification of a comparison.

    Attributes:
        dataset: catalogue name, folder or list.
        methods: names of methods, each condensed at every vpc.
        vpc: videos per class; "all" keeps every real clip.
        seeds: number of times to condense and evaluate every row, with the seeds 0, 1, 2 and so on.
        settings: condensation settings by name, for all methods that use them; "METHOD.NAME" for a single
            method, "evaluate.NAME" for the evaluation.
        vary: settings with several values each; every combination is a row.
        variants: settings of each row by the row's name, for Table 6 of the paper; replaces `vary`.
        budget: maximum size of each store, for example "100KiB"; no limit if None.
        table: number of the paper's table; None for other comparisons.
        controls: names of the controls to include (`CONTROLS`).
        evaluation: fields of `EvaluationSettings` by name, without seed and device.
        labels: labels to train on for stores with soft labels: "hard", "soft" or "both"; None means "both".
        frames, stride, size, split, classes: sampling of the real clips; None for the dataset's default.
        test_list, class_names, folder_layout, decoder: how to read a list or a folder, see `open_videos`.
        hold_out: fraction of the training clips to exclude from condensing and use instead of the test clips.
        root: folder of the dataset.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        SettingsError: a name is unknown, a list is empty or has duplicates, or a value is invalid.
    """

    dataset: str
    methods: tuple[str, ...]
    vpc: tuple[ClipsPerClass, ...]
    seeds: int = 3
    settings: Mapping[str, Any] = field(default_factory=dict)
    vary: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    budget: str | None = None
    table: int | None = None
    controls: tuple[str, ...] = CONTROLS
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    labels: str | None = None
    frames: int | None = None
    stride: int | None = None
    size: int | None = None
    split: int | None = None
    classes: tuple[str, ...] | None = None
    hold_out: float | None = None
    test_list: str | None = None
    class_names: str | None = None
    folder_layout: str | None = None
    decoder: str | None = None
    root: str | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        for name, values in (("--methods", self.methods), ("--vpc", self.vpc)):
            if not values:
                raise SettingsError(f"{name} must have at least one value, got none")
            if len(set(values)) < len(values):
                raise SettingsError(f"{name} must not repeat a value, got {', '.join(map(str, values))}")
        for method in self.methods:
            method_named(method)
        for control in self.controls:
            known_name(control, CONTROLS, "--controls")
        if self.seeds < 1:
            raise SettingsError(f"--seeds must be at least 1, got {self.seeds}")
        if self.labels is not None:
            known_name(self.labels, LABELS, "--labels")
            given = {name.rpartition(".")[2] for name in (*self.settings, *self.vary)}
            if self.labels != "hard" and "soft_labels" not in given:
                raise SettingsError(
                    f"--labels {self.labels} needs stores with soft labels; add --set soft_labels=true"
                )
        if self.budget is not None:
            parse_bytes(self.budget, "--budget")
        EvaluationSettings(**self.evaluation)

    @property
    def sampling(self) -> dict[str, Any]:
        """The sampling of the real clips, as arguments for `CondenseConfig`."""
        return {name: getattr(self, name) for name in _SAMPLING}

    def to_json(self) -> dict[str, Any]:
        """Returns the fields that affect the result, as the JSON object of `compare.json`."""
        content = {k: v for k, v in asdict(self).items() if k not in _CIRCUMSTANCES}
        plain: dict[str, Any] = json.loads(json.dumps({"schema": SPECIFICATION_SCHEMA, **content}))
        return plain


def differences(stored: Mapping[str, Any], asked: Comparison) -> list[str]:
    """Returns a description of each setting that differs between a stored and a requested specification."""
    wanted = asked.to_json()
    names = [*wanted, *sorted(set(stored) - set(wanted))]
    flags = {each.name: f"--{each.name.replace('_', '-')}" for each in fields(Comparison)}
    return [
        f"{flags.get(name, name)} was {_shown(stored.get(name))}, is now {_shown(wanted.get(name))}"
        for name in names
        if stored.get(name) != wanted.get(name)
    ]


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_shown(each)}" for name, each in value.items()) or "none"
    return "not given" if value is None else str(value)
