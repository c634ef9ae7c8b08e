"""The settings of a run, with checks that they are compatible with one another."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar, cast

from dfs_store.byte_sizes import parse_bytes
from dfs_store.condense.engine.insertion.rule import DEFAULT_EPSILON, InsertionRule
from dfs_store.condense.engine.schedule import Schedule
from dfs_store.condense.method import Method
from dfs_store.condense.methods import method_named, method_names
from dfs_store.condense.presets import PRESET_SETTINGS
from dfs_store.condense.settings import Dtype, Initialisation, Settings, flag_of
from dfs_store.errors import SettingsError
from dfs_store.format.coded.encoding import FrameEncoding, parse_encoding, stored_dtype
from dfs_store.videos.files.catalogue import CATALOGUE, FOLDER
from dfs_store.videos.files.hold_out import check_share

__all__ = ["CondenseConfig"]

_Complete = TypeVar("_Complete")

# Settings that affect the result of every method. The provenance records them and the method's own settings.
_RECORDED = {"dataset", "vpc", "method", "seed", "dtype", "encoding", "soft_labels"}
_RECORDED |= {"test_list", "class_names", "folder_layout", "hold_out"}
_RECORDED |= {"frames", "stride", "size", "split", "classes", "decoder"}
# Settings that never affect the result: the provenance omits them, and a resumed run may change them.
_CIRCUMSTANCES = {"out", "root", "device", "resume", "overwrite", "checkpoint_every", "max_memory"}
_CIRCUMSTANCES |= {"watch", "snapshots"}
# It is an error to set one of these if the method does not use it. Other unused settings only cause a note.
_SIZES = ("budget", "key_frames", "min_key_frames", "max_error")


@dataclass(frozen=True)
class MatchingSettings:
    """The resolved settings of the matching steps (Eq. 8); see `CondenseConfig`."""

    iterations: int
    lr: float
    momentum: float
    batch_real: int
    init: Initialisation


@dataclass(frozen=True)
class MemorySettings:
    """The resolved settings of static-dynamic's memories; see `CondenseConfig`."""

    static_iterations: int
    static_lr: float
    integrator_lr: float


@dataclass(frozen=True, kw_only=True)
class CondenseConfig(Settings):
    """All settings of a run. `resolved` replaces settings that are None with the preset's values.

    Paths may be strings or `os.PathLike`, which are converted to strings.

    Attributes:
        out: path or URL of the store; the suffix determines the container.
        dataset: catalogue name, folder or list; determines the preset and is recorded in the provenance.
        vpc: clips per class. "all" keeps every real clip, so classes may differ in size, and works only with
            methods that keep real clips.
        method: "dfs", "dm", "static-dynamic", "random", "herding", "k-center" or "pack"; or your own, as
            "module:function" (docs/guides/own-method.md).
        seed: random seed.
        iterations: number of steps.
        lr: learning rate of the key frames, or of static-dynamic's dynamic memory.
        momentum: momentum of SGD.
        batch_real: real clips per class in each step; a class with fewer clips uses all of them.
        init: initial key frames. "noise" draws them from N(0, 1), "real" uses frames of random real clips,
            "herding" uses frames of herded clips, and "pack" (dfs only) uses the key frames that best rebuild
            herded clips.
        initial_key_frames: initial number of key frames per clip, evenly spaced from the first to the last
            frame.
        insertion: whether dfs inserts key frames (False is the ablation of Table 6A).
        epsilon: threshold of the insertion rule; None means 0 for cosine and 0.141 for l2.
        warmup: fraction of the steps before insertion starts.
        cooldown: fraction of the steps after insertion ends.
        insert_every: interval between two insertion tests, as a fraction of the insertion phase, so that the
            number of tests does not depend on `iterations`. With 0, every step is a test.
        evidence, persistence, score, selection, metric, insertions, gradient: see
            `dfs_store.condense.engine.insertion.rule.InsertionRule`.
        static_iterations: number of steps in static-dynamic's first stage; `iterations` is the number in the
            second.
        static_lr: learning rate of static-dynamic's static memory.
        integrator_lr: learning rate of the convolution that joins static-dynamic's memories.
        extractor: the network whose features the coresets and pack compare: "trained" (ConvNet3D, trained
            once on all the real clips and then cached), "random" (the same network, untrained), or a file
            that contains a `state_dict` of this network.
        budget: maximum size of all key frames and their index, in bytes or as text such as "20MiB". pack
            distributes the budget over the clips. dfs divides it equally among the classes, and stops
            inserting into a class once its share is used up.
        key_frames: number of real frames that random, herding and k-center keep from each clip, evenly spaced
            from the first to the last (1 keeps the middle frame); None keeps all. For pack, this is the
            maximum, and it keeps fewer if more would not help.
        min_key_frames: minimum number of key frames per clip for pack, which keeps fewer only if more would
            not help. None means 2 if the budget allows 2 for every clip, and otherwise 1, which makes the
            clip a still image.
        max_error: maximum root-mean-square error of a clip for pack, in 8-bit levels (2.55 is 40 dB).
        dtype: dtype of the stored key frames. None means uint8 for pack or if `encoding` is set, and
            otherwise float32.
        encoding: stores key frames as images: "webp[:QUALITY]" (one per key frame, default 75) or
            "avif[:QUALITY]" (one sequence per clip, default 60). dfs and dm encode after training. With
            `budget` and no quality, pack also chooses the quality for every clip. Not for static-dynamic.
        soft_labels: whether to store, for each clip, the logits of a teacher (a ConvNet3D trained on the real
            clips). Not for static-dynamic.
        precision: numeric precision of the real clips' forward pass; "bf16" is approximate. "auto" uses bf16
            if a check at the start finds it accurate and faster on this device, and otherwise float32; a
            resumed run keeps that choice.
        device: "auto" (CUDA if available), "cpu", "cuda" or "cuda:N".
        root: folder of the dataset's videos.
        test_list, class_names, folder_layout: how a list or a folder is read, see `open_videos`.
        frames, stride, size, split, classes: sampling of the real clips; None means the dataset's default.
        hold_out: fraction of each class's groups of clips to hold out, so that settings can be chosen (`dfs
            evaluate --hold-out`) without using the test clips; None uses all clips.
        decoder: "pyav", "decord", or "auto" (PyAV, then decord for files from which PyAV decodes no frame);
            None means "auto".
        snapshots: number of times that dfs and dm save some of the clips, evenly spaced over the run
            (`dfs_store.condense.runtime.snapshots`).
        resume: whether to continue from the checkpoint next to `out` if there is one.
        checkpoint_every: steps between checkpoints; None saves one every five minutes.
        overwrite: whether to replace an existing store.
        max_memory: limit in bytes, or as text such as "8GiB", for GPU memory (on the CPU, for the memory of
            this process) and for the memory of all decoding processes together. The limit determines how many
            clips are embedded at a time, which changes the last bits of the result. None allows all memory of
            the GPU, or any amount on the CPU.
        watch: numbers of the clips whose cosines (Eq. 4 and 5) are logged at every step of the insertion
            phase.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in _SIZES:
            if getattr(self, name) is not None and not self.uses(name):
                users = ", ".join(user for user in method_names() if name in method_named(user).settings)
                raise SettingsError(
                    f"{flag_of(name)} is not used by method {self.method}, only by {users}; leave out "
                    f"{flag_of(name)}, or choose a different --method"
                )
        if self.frame_encoding is not None and not self.record.encodes:
            raise SettingsError(
                f"--encoding is not used by method {self.method}, which does not condense to key frames; "
                "leave out --encoding"
            )
        if self.soft_labels and self.record.native_bytes is not None:
            raise SettingsError(
                f"--soft-labels is not used by method {self.method}, which does not condense to key frames; "
                "leave out --soft-labels"
            )
        if self.init == "pack" and self.uses("init") and not self.uses("initial_key_frames"):
            raise SettingsError(
                f"--init pack chooses which frames are key frames, which method {self.method} does not "
                "support; use --init herding, or --method dfs"
            )
        if self.vpc == "all" and not self.record.needs_real_clips:
            users = ", ".join(user for user in method_names() if method_named(user).needs_real_clips)
            raise SettingsError(
                f"--vpc all keeps every real clip, but method {self.method} makes its own clips; pass a "
                f"number, or choose --method {users.replace(', ', ' or ')}"
            )
        self.record.check(self)
        _ = self.stored_dtype  # raises if dtype and encoding are incompatible
        if self.hold_out is not None:
            check_share(self.hold_out)
        Schedule(self.iterations or 1, self.warmup, self.cooldown, self.insert_every)

    @property
    def frame_encoding(self) -> FrameEncoding | None:
        """The parsed `encoding`; None if key frames are stored as numbers."""
        return parse_encoding(self.encoding, "--encoding")

    def resolved(self) -> "CondenseConfig":
        """Returns the settings with every None replaced by the method's preset for the dataset."""
        values: dict[str, Any] = {}
        if self.record.preset is not None:
            chosen = self.record.preset(self.dataset, self.per_class)
            values = {
                name: getattr(chosen, name)
                for name in PRESET_SETTINGS
                if self.uses(name) and getattr(self, name) is None
            }
            if self.encoding is None and self.dtype is None and self.budget is None:
                values["encoding"] = chosen.encoding
        # The split is recorded, so that a store is never evaluated on the clips from which it was made.
        if self.split is None and CATALOGUE.get(self.dataset, FOLDER).official_splits > 1:
            values["split"] = 1
        if self.epsilon is None and self.uses("epsilon"):
            values["epsilon"] = DEFAULT_EPSILON[self.metric]
        chosen_settings = replace(self, **values)
        return replace(chosen_settings, dtype=chosen_settings.stored_dtype)

    @property
    def stored_dtype(self) -> Dtype:
        """The dtype of the stored key frames: `dtype`, or the method's default if `dtype` is None."""
        return cast(Dtype, stored_dtype(self.dtype, self.frame_encoding, self.record.dtype, prefix="--"))

    @property
    def record(self) -> Method:
        """The record that describes the method."""
        return method_named(self.method)

    @property
    def per_class(self) -> int:
        """`vpc` as an int; not available if `vpc` is "all"."""
        assert self.vpc != "all", self.method
        return self.vpc

    def clips_of(self, num_real: int) -> int:
        """Returns the number of stored clips for a class with `num_real` real clips."""
        return num_real if self.vpc == "all" else self.vpc

    @property
    def preset_origin(self) -> str | None:
        """The source of the preset's values; None if the method has no preset."""
        preset = self.record.preset
        return None if preset is None else preset(self.dataset, self.per_class).origin

    @property
    def matching(self) -> MatchingSettings:
        """The settings of the matching steps. Requires resolved settings and a method that iterates."""
        return self._complete(MatchingSettings)

    @property
    def memories(self) -> MemorySettings:
        """The settings of the memories. Requires resolved settings for static-dynamic."""
        return self._complete(MemorySettings)

    def _complete(self, kind: type[_Complete]) -> _Complete:
        values = {field.name: getattr(self, field.name) for field in fields(kind)}  # type: ignore[arg-type]
        missing = [name for name, value in values.items() if value is None]
        assert not missing, f"{', '.join(missing)} of {self.method}: resolve the settings first"
        return kind(**values)

    def uses(self, setting: str) -> bool:
        """Returns whether the method uses a method-specific setting."""
        unused = setting == "extractor" and self.vpc == "all"  # all clips are kept, so none are chosen
        return setting in self.record.settings and not unused

    @property
    def iterates(self) -> bool:
        """Whether the method runs in steps, and can therefore continue from a checkpoint."""
        return self.record.phases is not None

    @property
    def embeds(self) -> bool:
        """Whether the method embeds clips with ConvNet3D."""
        return self.iterates or self.uses("extractor")

    @property
    def budget_bytes(self) -> int | None:
        """`budget` as a number of bytes."""
        return None if self.budget is None else parse_bytes(str(self.budget), "--budget")

    @property
    def max_memory_bytes(self) -> int | None:
        """`max_memory` as a number of bytes."""
        return None if self.max_memory is None else parse_bytes(str(self.max_memory), "--max-memory")

    @property
    def schedule(self) -> Schedule:
        """The schedule of the phases. Requires resolved settings."""
        return Schedule(
            self.matching.iterations,
            self.warmup,
            self.cooldown,
            self.insert_every,
            insertion=bool(self.insertion),
        )

    @property
    def rule(self) -> InsertionRule:
        """The insertion rule."""
        values = {field.name: getattr(self, field.name) for field in fields(InsertionRule)}
        if self.epsilon is None:
            values["epsilon"] = DEFAULT_EPSILON[self.metric]
        return InsertionRule(**values)

    def differs(self, name: str) -> bool:
        """Returns whether a setting differs from its default."""
        value = getattr(self, name)
        if name == "epsilon" and value == DEFAULT_EPSILON[self.metric]:
            return False
        return bool(value != next(field.default for field in fields(self) if field.name == name))

    def notes(self) -> tuple[str, ...]:
        """Returns notes on settings that were given but are not used."""
        optional = {name for user in method_names() for name in method_named(user).settings}
        ignored = [
            flag_of(field.name)
            for field in fields(self)
            if field.name in optional and not self.uses(field.name) and self.differs(field.name)
        ]
        if not self.iterates:
            ignored += [flag_of(n) for n in ("resume", "checkpoint_every") if getattr(self, n)]
        notes = [f"ignoring {', '.join(ignored)}, which method {self.method} does not use"] if ignored else []
        return (*notes, *self.record.notes(self))

    def provenance(self) -> dict[str, Any]:
        """Returns the settings that determine the result, as a JSON object."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if name in _RECORDED or (self.uses(name) and name not in _CIRCUMSTANCES)
        }
