"""The settings of `dfs condense`, a line each: type, default, help, group and check.

The command line makes its options from them, so nothing heavy is imported here. `CondenseConfig` says at
length what each setting does, and how they go together.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, NamedTuple, get_args, get_origin

from dfs_store.byte_sizes import parse_bytes
from dfs_store.errors import SettingsError
from dfs_store.names import did_you_mean

__all__ = [
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

MATCHING = "Settings of the method (default: the preset of method, dataset and vpc)"
MEMORIES = "Memories (static-dynamic)"
INSERTION = "Insertion of key frames (dfs)"
KEPT = "Key frames of real clips (pack needs one of these)"
SAMPLING = "Sampling of the real clips (default: the dataset's)"
RUNNING = "Running"

Check = Callable[[str, Any], object]


class Option(NamedTuple):
    """What the command line and the checks know about a setting.

    Attributes:
        help: one line.
        panel: the group it is listed in; None for the first.
        metavar: what stands for a value; None for its type.
        words: values to offer, beside those of a Literal.
        check: called with flag and value, if the value is not None; raises SettingsError.
    """

    help: str
    panel: str | None
    metavar: str | None
    words: tuple[str, ...]
    check: Check | None


def _set(
    text: str,
    panel: str | None = None,
    default: Any = None,  # noqa: ANN401 - of any setting
    *,
    metavar: str | None = None,
    words: tuple[str, ...] = (),
    check: Check | None = None,
) -> Any:  # noqa: ANN401 - as `dataclasses.field`
    return field(default=default, metadata={"option": Option(text, panel, metavar, words, check)})


def _at_least_1(flag: str, value: int) -> None:
    if value < 1:
        raise SettingsError(f"{flag} must be at least 1, got {value}")


def _not_negative(flag: str, value: int) -> None:
    if value < 0:
        raise SettingsError(f"{flag} must not be negative, got {value}")


def _positive(flag: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise SettingsError(f"{flag} must be a positive number, got {value}")


def _below_1(flag: str, value: float) -> None:
    if not 0 <= value < 1:
        raise SettingsError(f"{flag} must lie in [0, 1), got {value}")


def _share_of_steps(flag: str, value: float) -> None:
    if not 0 < value <= 1:
        raise SettingsError(f"{flag} is a share of steps and must lie in (0, 1], got {value}")


def _levels(flag: str, value: float) -> None:
    if not 0 <= value <= 255:
        raise SettingsError(f"{flag} must lie in 0..255 (8-bit levels), got {value}")


def _number(flag: str, value: float) -> None:
    if value != value:
        raise SettingsError(f"{flag} must be a number, got nan")


def _bytes(flag: str, value: str | int) -> None:
    parse_bytes(str(value), flag)


def _clip_numbers(flag: str, value: tuple[object, ...]) -> None:
    if any(isinstance(clip, bool) or not isinstance(clip, int) or clip < 0 for clip in value):
        raise SettingsError(f"{flag} must be numbers of clips, 0 or more, got {value}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The fields of `CondenseConfig`.

    Raises:
        SettingsError: a value of another type, none of the allowed words, or outside its rule.
    """

    dataset: str = _set("What to condense.", default=MISSING, metavar="NAME|FOLDER|LIST")
    vpc: int = _set("Synthetic videos per class.", default=MISSING, check=_at_least_1)
    out: str = _set("*.zarr, *.zarr.zip, *.h5 or *.hdf5; or a URL.", default=MISSING, metavar="STORE")
    method: str = _set("{methods}; or module:function of your own.", default="dfs")
    dtype: Dtype | None = _set("float32, float16 or uint8.")
    encoding: str | None = _set(
        "Key frames as image files: webp[:75], avif[:60] or none.",
        metavar="webp|avif[:QUALITY]",
        words=("webp", "avif", "none"),
    )
    soft_labels: bool = _set("Store a teacher's logits for every clip.", default=False)
    root: str | None = _set("Folder of the dataset's videos (else DFS_DATA).", metavar="DIR")
    test_list: str | None = _set("The test clips, if --dataset is a list.", metavar="LIST")
    class_names: str | None = _set("Names of the classes, if a list has numbers.", metavar="FILE")
    folder_layout: FolderLayout | None = _set(
        "classes: the folders in FOLDER are classes, whatever their names."
    )

    iterations: int | None = _set("Number of steps.", MATCHING, check=_at_least_1)
    lr: float | None = _set("Learning rate.", MATCHING, check=_positive)
    momentum: float | None = _set("Momentum of SGD.", MATCHING, check=_below_1)
    batch_real: int | None = _set("Real clips per class and step.", MATCHING, check=_at_least_1)
    init: Initialisation | None = _set("noise, real, herding or pack.", MATCHING)
    seed: int = _set("Seed of everything random.", MATCHING, 0, check=_not_negative)
    extractor: str = _set(
        "Features for herding, k-center, pack.",
        MATCHING,
        "trained",
        metavar="trained|random|FILE",
        words=("trained", "random"),
    )

    static_iterations: int | None = _set("Steps of stage 1.", MEMORIES, check=_at_least_1)
    static_lr: float | None = _set("Of the static memory.", MEMORIES, check=_positive)
    integrator_lr: float | None = _set("Of their convolution.", MEMORIES, check=_positive)

    budget: str | int | None = _set("Bytes in all, 20MiB (pack, dfs).", KEPT, metavar="SIZE", check=_bytes)
    key_frames: int | None = _set(
        "Per clip (pack: at most; random, herding, k-center: default all).",
        KEPT,
        metavar="K",
        check=_at_least_1,
    )
    min_key_frames: int | None = _set(
        "Per clip at least, unless fewer rebuild it as well (pack; default 2 if --budget allows).",
        KEPT,
        metavar="K",
        check=_at_least_1,
    )
    max_error: float | None = _set(
        "RMS error, of 255; 2.55 is 40 dB (pack).", KEPT, metavar="LEVELS", check=_levels
    )

    initial_key_frames: int = _set("Key frames at the start.", INSERTION, 2, check=_at_least_1)
    insertion: bool | None = _set("Insert key frames.", INSERTION)
    epsilon: float | None = _set("Threshold.", INSERTION, check=_number)
    warmup: float = _set("Share of steps before.", INSERTION, 0.2)
    cooldown: float = _set("Share of steps after.", INSERTION, 0.2)
    insert_every: float = _set(
        "Share of the phase from test to test; 0: every step.", INSERTION, 0.05, metavar="SHARE"
    )
    evidence: Gathering = _set("last, mean or persistent, over the steps between tests.", INSERTION, "last")
    persistence: float = _set(
        "Share of steps that must disagree (persistent).",
        INSERTION,
        0.5,
        metavar="SHARE",
        check=_share_of_steps,
    )
    score: Score = _set("Rank by the larger or smaller cosine.", INSERTION, "larger")
    selection: Selection = _set("lowest or random.", INSERTION, "lowest")
    metric: Metric = _set("cosine or l2.", INSERTION, "cosine")
    insertions: Insertions = _set("one or all at a test.", INSERTION, "one")
    gradient: GradientReading = _set("frame or accumulated.", INSERTION, "frame")
    watch: tuple[int, ...] = _set(
        "Clips whose cosines the log keeps, for `dfs preview --kind cosine`.",
        INSERTION,
        (0,),
        metavar="N,N",
        check=_clip_numbers,
    )

    frames: int | None = _set("Frames per clip (T).", SAMPLING)
    stride: int | None = _set("Interval between sampled frames.", SAMPLING)
    size: int | None = _set("Height and width, pixels.", SAMPLING)
    split: int | None = _set("Official split, 1 to 3 (UCF101, HMDB51).", SAMPLING)
    classes: tuple[str, ...] | None = _set("Only these, commas between.", SAMPLING)
    hold_out: float | None = _set(
        "Share of training clips to leave out of condensing and to test on.", SAMPLING, metavar="SHARE"
    )
    decoder: VideoDecoder | None = _set("Default: auto (PyAV, then decord).", SAMPLING)

    device: str = _set("auto, cpu, cuda or cuda:N.", RUNNING, "auto", words=("auto", "cpu", "cuda"))
    precision: Precision = _set("float32, bf16 (real side, approximate), or auto.", RUNNING, "float32")
    resume: bool = _set("Continue a checkpoint.", RUNNING, default=False)
    checkpoint_every: int | None = _set("Default: 5 minutes.", RUNNING, metavar="STEPS", check=_at_least_1)
    max_memory: str | int | None = _set(
        "Of the GPU, or of this process: 8GiB.", RUNNING, metavar="SIZE", check=_bytes
    )
    overwrite: bool = _set("Replace the store.", RUNNING, default=False)

    def __post_init__(self) -> None:
        for each in fields(self):
            value, flag = getattr(self, each.name), flag_of(each.name)
            words, kinds = words_of(each.type), kinds_of(each.type)
            if words and value is not None and value not in words:
                meant = did_you_mean(str(value), words)
                raise SettingsError(f"{flag} must be one of {', '.join(words)}, got {value!r}{meant}")
            if not words and not any(_fits(value, kind) for kind in kinds):
                names = " or ".join(sorted(kind.__name__ for kind in kinds if kind is not type(None)))
                raise SettingsError(f"{flag} must be a value of type {names}, got {value!r}")
            check = each.metadata["option"].check
            if value is not None and check is not None:
                check(flag, value)


def flag_of(name: str) -> str:
    """Returns what the command line calls a setting: "--key-frames"."""
    return "--" + name.replace("_", "-")


def words_of(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - a type, or something that stands for several
    """Returns the words of a Literal, also if None is allowed beside it; none of other types."""
    return next((get_args(each) for each in (kind, *_alternatives(kind)) if get_origin(each) is Literal), ())


def kinds_of(kind: Any) -> set[type]:  # noqa: ANN401 - as `words_of`
    """Returns the classes that a value of a setting may have."""
    return {get_origin(each) or each for each in _alternatives(kind) or (kind,)}


def _alternatives(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as `words_of`
    """Returns the types of a union, or the values of a Literal; none of a plain type."""
    return () if get_origin(kind) is tuple else get_args(kind)


def _fits(value: object, kind: type) -> bool:
    """Returns whether a value may stand for a type: an int for a float, but no bool for a number."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
