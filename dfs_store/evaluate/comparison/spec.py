"""What is compared: the specification that `compare.json` keeps."""

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
# Where a comparison runs, not what comes out.
_CIRCUMSTANCES = ("root", "device")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What to compare, and how.

    Attributes:
        dataset: catalogue name, folder or list.
        methods: names of methods, each condensed at every vpc.
        vpc: videos per class; "all" keeps every real clip.
        seeds: condensations of every cell, with the seeds 0, 1, 2 ...; a cell's evaluation has its seed, too.
        settings: settings of the condensation by name, for all methods that use them, or "METHOD.NAME" for
            one; "evaluate.NAME" is one of the evaluation.
        vary: the same with several values each; every combination is a row.
        variants: further rows: settings by the name of the row (Table 6 of the paper).
        budget: bytes that every method may take ("100KiB"); None for no limit.
        table: number of the paper's table that this is, None for none.
        controls: which of `CONTROLS` stand beside the methods.
        evaluation: settings of `EvaluationSettings`, without seed and device.
        labels: "hard", "soft" or "both" for stores with soft labels; None is both.
        frames, stride, size, split, classes: sampling of the real clips; None is the dataset's default.
        test_list, class_names, folder_layout, decoder: how a list or a folder is read, as in `open_videos`.
        hold_out: share of the training clips to leave out of condensing and to test on, instead of the
            test clips.
        root: folder of the dataset.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        SettingsError: no such method or control, nothing to compare, or settings that nothing uses.
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
                raise SettingsError(f"{name} must name at least one")
            if len(set(values)) < len(values):
                raise SettingsError(f"{name} names one of them twice: {', '.join(map(str, values))}")
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
        """The settings of the real clips, as `CondenseConfig` takes them."""
        return {name: getattr(self, name) for name in _SAMPLING}

    def to_json(self) -> dict[str, Any]:
        """Returns what decides the result, as the JSON object of `compare.json`."""
        content = {k: v for k, v in asdict(self).items() if k not in _CIRCUMSTANCES}
        plain: dict[str, Any] = json.loads(json.dumps({"schema": SPECIFICATION_SCHEMA, **content}))
        return plain


def differences(there: Mapping[str, Any], asked: Comparison) -> list[str]:
    """Says, setting by setting, how a kept specification differs from one that is asked for."""
    wanted = asked.to_json()
    names = [*wanted, *sorted(set(there) - set(wanted))]
    flags = {each.name: f"--{each.name.replace('_', '-')}" for each in fields(Comparison)}
    return [
        f"{flags.get(name, name)} {_shown(there.get(name))} there, {_shown(wanted.get(name))} now"
        for name in names
        if there.get(name) != wanted.get(name)
    ]


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_shown(each)}" for name, each in value.items()) or "none"
    return "not given" if value is None else str(value)
