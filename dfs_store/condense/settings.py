"""Defines the settings of `dfs condense` with their types, defaults, help texts, groups and checks.

The command line builds its options from these definitions, so this module imports nothing heavy.
`CondenseConfig` documents the settings, and checks that they are compatible.
"""

import os
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, NamedTuple, get_args, get_origin

from dfs_store.byte_sizes import parse_bytes
from dfs_store.errors import SettingsError
from dfs_store.names import did_you_mean

__all__ = [
    "ClipsPerClass",
    "Dtype",
    "FolderLayout",
    "Gathering",
    "GradientReading",
    "Initialisation",
    "Insertions",
    "Metric",
    "Option",
    "Precision",
    "Score",
    "Selection",
    "Settings",
    "flag_of",
    "kinds_of",
    "words_of",
]

Initialisation = Literal["noise", "real", "herding", "pack"]
Dtype = Literal["float32", "float16", "uint8"]
Precision = Literal["float32", "bf16", "auto"]
Metric = Literal["cosine", "l2"]
Selection = Literal["lowest", "random"]
Insertions = Literal["one", "all"]
GradientReading = Literal["frame", "accumulated"]
Gathering = Literal["last", "mean", "persistent"]
Score = Literal["larger", "smaller"]
FolderLayout = Literal["classes"]
VideoDecoder = Literal["auto", "pyav", "decord"]
ClipsPerClass = int | Literal["all"]

MATCHING = "Method settings (default: the preset for the method, dataset and vpc)"
MEMORIES = "Memories (static-dynamic)"
INSERTION = "Insertion of key frames (dfs)"
KEPT = "Key frames of real clips (pack needs --budget, --key-frames or --max-error)"
SAMPLING = "Sampling of the real clips (default: the dataset's)"
RUNNING = "Running"

Check = Callable[[str, Any], object]


class Option(NamedTuple):
    """The command-line option of a setting, and its check.

    Attributes:
        help: the help text, one line.
        panel: group of options in the help; None for the first group.
        metavar: placeholder for the value in the help; the type's name if None.
        words: values for shell completion, in addition to the words of a Literal.
        check: called with the flag and the value unless the value is None. Raises SettingsError if the value
            is invalid.
        shown: text that the help shows as the default if the default is None.
    """

    help: str
    panel: str | None
    metavar: str | None
    words: tuple[str, ...]
    check: Check | None
    shown: str | None


def _set(
    text: str,
    panel: str | None = None,
    default: Any = None,  # noqa: ANN401 - of any setting
    *,
    metavar: str | None = None,
    words: tuple[str, ...] = (),
    check: Check | None = None,
    shown: str | None = None,
) -> Any:  # noqa: ANN401 - as `dataclasses.field`
    return field(default=default, metadata={"option": Option(text, panel, metavar, words, check, shown)})


def _must(rule: str, holds: Callable[[Any], bool]) -> Check:
    """Returns a check that raises SettingsError, quoting the rule, unless `holds(value)` is true."""

    def check(flag: str, value: object) -> None:
        if not holds(value):
            raise SettingsError(f"{flag} must {rule}, got {value}")

    return check


def _are_clip_numbers(values: tuple[object, ...]) -> bool:
    return all(isinstance(clip, int) and not isinstance(clip, bool) and clip >= 0 for clip in values)


def _bytes(flag: str, value: str | int) -> None:
    parse_bytes(str(value), flag)


_at_least_1 = _must("be at least 1", lambda value: value == "all" or value >= 1)
_not_negative = _must("not be negative", lambda value: value >= 0)
_positive = _must("be a positive number", lambda value: 0 < value < float("inf"))
_below_1 = _must("be in [0, 1)", lambda value: 0 <= value < 1)
_share_of_steps = _must("be a share of steps in (0, 1]", lambda value: 0 < value <= 1)
_levels = _must("be in 0..255 (8-bit levels)", lambda value: 0 <= value <= 255)
_number = _must("be a number", lambda value: value == value)
_moments = _must("be in 2..1000, including the start and the end", lambda value: 2 <= value <= 1000)
_clip_numbers = _must("contain clip numbers (integers >= 0)", _are_clip_numbers)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The fields of `CondenseConfig`.

    Raises:
        SettingsError: a value has the wrong type, is not one of the allowed words, or is out of range.
    """

    dataset: str = _set("Dataset to condense.", default=MISSING, metavar="NAME|FOLDER|LIST")
    vpc: ClipsPerClass = _set(
        "Clips per class, or all to keep every real clip (random, herding, k-center, pack).",
        default=MISSING,
        metavar="N|all",
        check=_at_least_1,
    )
    out: str = _set(
        "Store to write (.zarr, .zarr.zip, .h5 or .hdf5), or its URL.", default=MISSING, metavar="STORE"
    )
    method: str = _set("Method: {methods}, or module:function for your own.", default="dfs")
    dtype: Dtype | None = _set("Type of the stored key frames: float32, float16 or uint8.")
    encoding: str | None = _set(
        "Image format of the key frames: webp (default quality 75), avif (default quality 60) or none.",
        metavar="webp|avif[:QUALITY]",
        words=("webp", "avif", "none"),
    )
    soft_labels: bool = _set("Store a teacher network's logits with each clip.", default=False)
    root: str | None = _set("Folder of the videos.", metavar="DIR", shown="found through DFS_DATA")
    test_list: str | None = _set("List of the test clips, if the dataset is a list.", metavar="LIST")
    class_names: str | None = _set(
        "File with the class names, if the list contains class numbers.", metavar="FILE"
    )
    folder_layout: FolderLayout | None = _set(
        'Set to "classes" to treat every folder in FOLDER as a class, even train and test.'
    )

    iterations: int | None = _set("Number of optimisation steps.", MATCHING, check=_at_least_1)
    lr: float | None = _set("Learning rate of the key frames.", MATCHING, check=_positive)
    momentum: float | None = _set("SGD momentum.", MATCHING, check=_below_1)
    batch_real: int | None = _set("Real clips per class in each step.", MATCHING, check=_at_least_1)
    init: Initialisation | None = _set("Initial key frames: noise, real, herding or pack.", MATCHING)
    seed: int = _set("Random seed.", MATCHING, 0, check=_not_negative)
    extractor: str = _set(
        "Network that extracts the features used by herding, k-center and pack.",
        MATCHING,
        "trained",
        metavar="trained|random|FILE",
        words=("trained", "random"),
    )

    static_iterations: int | None = _set(
        "Number of optimisation steps in the first stage.", MEMORIES, check=_at_least_1
    )
    static_lr: float | None = _set("Learning rate of the static memories.", MEMORIES, check=_positive)
    integrator_lr: float | None = _set(
        "Learning rate of the convolution that combines the memories.", MEMORIES, check=_positive
    )

    budget: str | int | None = _set(
        "Maximum size of the key frames, for example 20MiB (pack, dfs).", KEPT, metavar="SIZE", check=_bytes
    )
    key_frames: int | None = _set(
        "Key frames per clip; with pack, the maximum.", KEPT, metavar="K", check=_at_least_1, shown="all"
    )
    min_key_frames: int | None = _set(
        "Minimum number of key frames per clip (pack).",
        KEPT,
        metavar="K",
        check=_at_least_1,
        shown="2 if --budget allows",
    )
    max_error: float | None = _set(
        "Maximum RMS error per clip, in pixel levels from 0 to 255 (pack); 2.55 is a PSNR of 40 dB.",
        KEPT,
        metavar="LEVELS",
        check=_levels,
    )

    initial_key_frames: int = _set("Key frames per clip at the start.", INSERTION, 2, check=_at_least_1)
    insertion: bool | None = _set("Insert key frames where motion is not linear.", INSERTION)
    epsilon: float | None = _set(
        "Insert a key frame if its cosine is below this value or, with --metric l2, its distance above it.",
        INSERTION,
        check=_number,
    )
    warmup: float = _set("Share of the steps before insertion begins.", INSERTION, 0.2)
    cooldown: float = _set("Share of the steps after insertion ends.", INSERTION, 0.2)
    insert_every: float = _set(
        "Interval between insertion tests, as a share of the insertion phase; 0 tests at every step.",
        INSERTION,
        0.05,
        metavar="SHARE",
    )
    evidence: Gathering = _set(
        "Cosines to test: those of the step itself (last), their mean since the previous test (mean), or the "
        "share of steps in which they were past --epsilon (persistent).",
        INSERTION,
        "last",
    )
    persistence: float = _set(
        "With --evidence persistent: share of the steps in which a cosine must be past --epsilon.",
        INSERTION,
        0.5,
        metavar="SHARE",
        check=_share_of_steps,
    )
    score: Score = _set("Rank candidates by the larger or smaller of their two cosines.", INSERTION, "larger")
    selection: Selection = _set(
        "Insert the position with the lowest score (lowest) or a random one (random).", INSERTION, "lowest"
    )
    metric: Metric = _set("Compare gradients by cosine or L2 distance (l2).", INSERTION, "cosine")
    insertions: Insertions = _set("Positions to insert per clip at each test: one or all.", INSERTION, "one")
    gradient: GradientReading = _set(
        "Gradient of a key frame: frame (from its own position only) or accumulated (from all frames).",
        INSERTION,
        "frame",
    )
    watch: tuple[int, ...] = _set(
        "Clips whose cosines are logged, for `dfs preview --kind cosine`.",
        INSERTION,
        (0,),
        metavar="N,N",
        check=_clip_numbers,
    )

    frames: int | None = _set("Frames per clip (T).", SAMPLING)
    stride: int | None = _set("Use every N-th frame of a video.", SAMPLING)
    size: int | None = _set("Height and width in pixels.", SAMPLING)
    split: int | None = _set("Official split, 1 to 3 (UCF101, HMDB51).", SAMPLING)
    classes: tuple[str, ...] | None = _set("Use only these classes, separated by commas.", SAMPLING)
    hold_out: float | None = _set(
        "Share of the training clips to hold out for testing.", SAMPLING, metavar="SHARE"
    )
    decoder: VideoDecoder | None = _set(
        "Video decoder: pyav, decord or auto (PyAV, then decord).", SAMPLING, shown="auto"
    )

    device: str = _set(
        "Device: auto (CUDA if available), cpu, cuda or cuda:N.",
        RUNNING,
        "auto",
        words=("auto", "cpu", "cuda"),
    )
    precision: Precision = _set(
        "Precision for embedding real clips: float32, bf16 (approximate) or auto.", RUNNING, "float32"
    )
    snapshots: int | None = _set(
        "Save some clips at N steps of the run, for `dfs preview --making`.",
        RUNNING,
        metavar="N",
        check=_moments,
    )
    resume: bool = _set(
        "Continue from the checkpoint of an earlier run, if there is one.", RUNNING, default=False
    )
    checkpoint_every: int | None = _set(
        "Steps between checkpoints.", RUNNING, metavar="STEPS", check=_at_least_1, shown="one every 5 minutes"
    )
    max_memory: str | int | None = _set(
        "Memory limit for the GPU or, on the CPU, for this process, for example 8GiB.",
        RUNNING,
        metavar="SIZE",
        check=_bytes,
    )
    overwrite: bool = _set("Replace the store if it already exists.", RUNNING, default=False)

    def __post_init__(self) -> None:
        for each in fields(self):
            value, flag = getattr(self, each.name), flag_of(each.name)
            if isinstance(value, os.PathLike):
                value = os.fspath(value)
                object.__setattr__(self, each.name, value)
            words, kinds = words_of(each.type), kinds_of(each.type)
            if value not in words and not any(_fits(value, kind) for kind in kinds):
                names = " or ".join(sorted(kind.__name__ for kind in kinds if kind is not type(None)))
                expected = [f"a value of type {names}"] if names else []
                expected += [f"one of {', '.join(words)}" if len(words) > 1 else words[0]] if words else []
                meant = did_you_mean(str(value), words)
                raise SettingsError(f"{flag} must be {' or '.join(expected)}, got {value!r}{meant}")
            check = each.metadata["option"].check
            if value is not None and check is not None:
                check(flag, value)


def flag_of(name: str) -> str:
    """Returns the command-line flag of a setting, for example "--key-frames"."""
    return "--" + name.replace("_", "-")


def words_of(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - a type, a union or a Literal
    """Returns the words of a Literal, alone or in a union; an empty tuple for other types."""
    return next((get_args(each) for each in (kind, *_alternatives(kind)) if get_origin(each) is Literal), ())


def kinds_of(kind: Any) -> set[type]:  # noqa: ANN401 - as `words_of`
    """Returns the classes that a setting accepts, in addition to the words of a Literal."""
    kinds = {get_origin(each) or each for each in _alternatives(kind) or (kind,)}
    return {each for each in kinds if isinstance(each, type)}


def _alternatives(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as `words_of`
    """Returns the types of a union, or the values of a Literal; an empty tuple for a plain type."""
    return () if get_origin(kind) is tuple else get_args(kind)


def _fits(value: object, kind: type) -> bool:
    """Returns whether a value matches a type. An int is accepted as a float, but a bool is not a number."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
