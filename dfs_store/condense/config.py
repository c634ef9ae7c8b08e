"""The settings of a run, and the checks that they make sense together."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar, cast

from dfs_store.byte_sizes import parse_bytes
from dfs_store.condense.engine.insertion import DEFAULT_EPSILON, InsertionRule
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

# Settings of where and how a run happens, not of what comes out: they stay out of the provenance,
# and a checkpoint may be continued with others.
_CIRCUMSTANCES = ("out", "root", "device", "resume", "overwrite", "checkpoint_every", "max_memory", "watch")
# A setting of the size of the store that the method does not use is refused, others are noted and ignored.
_SIZES = ("budget", "key_frames", "min_key_frames", "max_error")


@dataclass(frozen=True)
class MatchingSettings:
    """The settings of the steps of Eq. 8, none of them missing (see `CondenseConfig`)."""

    iterations: int
    lr: float
    momentum: float
    batch_real: int
    init: Initialisation


@dataclass(frozen=True)
class MemorySettings:
    """The settings of static-dynamic's memories, none of them missing (see `CondenseConfig`)."""

    static_iterations: int
    static_lr: float
    integrator_lr: float


@dataclass(frozen=True, kw_only=True)
class CondenseConfig(Settings):
    """All settings of a condensation. Settings that are None are taken from the preset by `resolved`.

    Attributes:
        out: path of the store; the suffix chooses the container.
        dataset: catalogue name or folder, chooses the preset and goes into the provenance.
        vpc: synthetic videos per class.
        method: "dfs", "dm", "static-dynamic", "random", "herding", "k-center" or "pack"; or your own, as
            "module:function" (docs/guides/own-method.md).
        seed: seed of everything random.
        iterations: number of steps.
        lr: learning rate of the key frames; of static-dynamic, of the dynamic memory.
        momentum: momentum of SGD.
        batch_real: real clips per class and step; a class with fewer gives all it has.
        init: "noise" N(0, 1), frames of random "real" clips, or of real clips chosen by "herding"; for dfs
            also "pack", the key frames that rebuild herded clips best.
        initial_key_frames: K at the start, evenly spaced from the first to the last frame.
        insertion: False never inserts (Table 6A); only dfs inserts.
        epsilon: threshold of the insertion rule; None is 0 for cosine and 0.141 for l2.
        warmup: share of the steps before insertion.
        cooldown: share of the steps after insertion.
        insert_every: share of the insertion phase from one test for insertion to the next; 0 tests at every
            step. A share, so that the number of tests does not depend on `iterations`.
        evidence, persistence, score, selection, metric, insertions, gradient: see
            `dfs_store.condense.engine.insertion.InsertionRule`.
        static_iterations: of static-dynamic: steps of its first stage; `iterations` are those of the second.
        static_lr: of static-dynamic: learning rate of the static memory.
        integrator_lr: of static-dynamic: learning rate of the convolution that joins the memories.
        extractor: whose features the coresets choose by: "trained" (ConvNet3D trained on all the real clips,
            once, kept in the cache), "random" (the same network untrained), or a file that holds its
            `state_dict`.
        budget: bytes for all clips ("20MiB"), key frames and their index. pack shares it out; dfs inserts no
            more key frames into a class once its equal share is used up.
        key_frames: of random, herding and k-center: how many real frames to keep of each clip, evenly spaced
            from the first to the last; 1 is the middle one; None keeps all. Of pack: at most so many per
            clip, fewer if more would not help.
        min_key_frames: of pack: at least so many per clip, fewer only if more would not help. None is 2 with
            a budget that allows 2 of every clip, else 1, which makes a still picture.
        max_error: of pack: the largest root-mean-square error of a clip, in 8-bit levels (2.55 is 40 dB).
        dtype: how the store keeps key frames; None is uint8 for pack and with an encoding, else float32.
        encoding: stores key frames as image files: "webp[:QUALITY]" (a still of each, 75) or
            "avif[:QUALITY]" (a sequence of each clip, 60). dfs and dm train for it: the network sees the
            decoded files. With `budget` and no quality, pack chooses the quality of every clip, too. Not of
            static-dynamic.
        soft_labels: stores for each clip the logits of a teacher, ConvNet3D trained on the real clips.
            Not of static-dynamic.
        precision: of the forward pass of real clips; "bf16" is approximate. "auto" is bf16 if the check
            at the start finds it accurate and faster on this device, else float32; a resumed run keeps the
            choice.
        device: "auto" (CUDA when present), "cpu", "cuda" or "cuda:N".
        root: folder of the dataset's videos.
        test_list, class_names, folder_layout: how a list or a folder is read, see `open_videos`.
        frames, stride, size, split, classes: sampling of the real clips; None is the dataset's default.
        hold_out: share of the groups of clips of every class to leave out of the condensation, for choosing
            settings by (`dfs evaluate --hold-out`) without a look at the test clips; None uses all.
        decoder: of the videos: "pyav", "decord", or "auto" (PyAV, and decord for files out of which PyAV
            gets no frame). None is "auto".
        resume: continue the checkpoint beside `out` if there is one.
        checkpoint_every: steps between checkpoints; None is every five minutes.
        overwrite: replace an existing store.
        max_memory: the most that the run may take ("8GiB"): of the GPU, or of this process on the CPU, and of
            all decoding processes together. It decides how many clips are embedded at a time, which moves
            the last bits of what comes out. None is the whole device, and no limit on the CPU.
        watch: numbers of the clips whose cosines (Eq. 4, 5) every step of insertion tells.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in _SIZES:
            if getattr(self, name) is not None and not self.uses(name):
                users = ", ".join(user for user in method_names() if name in method_named(user).settings)
                raise SettingsError(
                    f"{flag_of(name)} is not used by method {self.method}, but by {users}; leave it out or "
                    "choose another --method"
                )
        if self.frame_encoding is not None and not self.record.encodes:
            raise SettingsError(
                f"--encoding is not used by method {self.method}, which is not made of key frames; "
                "leave it out"
            )
        if self.soft_labels and self.record.native_bytes is not None:
            raise SettingsError(
                f"--soft-labels is not used by method {self.method}, which is not made of key frames; "
                "leave it out"
            )
        if self.init == "pack" and self.uses("init") and not self.uses("initial_key_frames"):
            raise SettingsError(
                f"--init pack chooses key frames of clips, and method {self.method} keeps none of its own "
                "choice; use --init herding, or --method dfs"
            )
        self.record.check(self)
        _ = self.stored_dtype  # raises where dtype and encoding do not go together
        if self.hold_out is not None:
            check_share(self.hold_out)
        Schedule(self.iterations or 1, self.warmup, self.cooldown, self.insert_every)

    @property
    def frame_encoding(self) -> FrameEncoding | None:
        """`encoding`, parsed; None if key frames are stored as numbers."""
        return parse_encoding(self.encoding, "--encoding")

    def resolved(self) -> "CondenseConfig":
        """Returns the settings with every None filled in from the method and the dataset's preset."""
        values: dict[str, Any] = {}
        if self.record.preset is not None:
            chosen = self.record.preset(self.dataset, self.vpc)
            values = {
                name: getattr(chosen, name)
                for name in PRESET_SETTINGS
                if self.uses(name) and getattr(self, name) is None
            }
            if self.encoding is None and self.dtype is None and self.budget is None:
                values["encoding"] = chosen.encoding
        # Recorded in the store, so that it is never tested on clips that it was made from.
        if self.split is None and CATALOGUE.get(self.dataset, FOLDER).official_splits > 1:
            values["split"] = 1
        if self.epsilon is None and self.uses("epsilon"):
            values["epsilon"] = DEFAULT_EPSILON[self.metric]
        chosen_settings = replace(self, **values)
        return replace(chosen_settings, dtype=chosen_settings.stored_dtype)

    @property
    def stored_dtype(self) -> Dtype:
        """How the store keeps key frames: `dtype`, or what the method takes when that is None."""
        return cast(Dtype, stored_dtype(self.dtype, self.frame_encoding, self.record.dtype, prefix="--"))

    @property
    def record(self) -> Method:
        """What the method is, and all that depends on it."""
        return method_named(self.method)

    @property
    def preset_origin(self) -> str | None:
        """Where the settings that were not given come from; None of a method without a preset."""
        preset = self.record.preset
        return None if preset is None else preset(self.dataset, self.vpc).origin

    @property
    def matching(self) -> MatchingSettings:
        """The settings of the steps; only of resolved settings of a method that takes steps."""
        return self._complete(MatchingSettings)

    @property
    def memories(self) -> MemorySettings:
        """The settings of memories; only of resolved settings of static-dynamic."""
        return self._complete(MemorySettings)

    def _complete(self, kind: type[_Complete]) -> _Complete:
        values = {field.name: getattr(self, field.name) for field in fields(kind)}  # type: ignore[arg-type]
        missing = [name for name, value in values.items() if value is None]
        assert not missing, f"{', '.join(missing)} of {self.method}: resolve the settings first"
        return kind(**values)

    def uses(self, setting: str) -> bool:
        """Whether the method uses a setting that not all methods use."""
        return setting in self.record.settings

    @property
    def iterates(self) -> bool:
        """Whether the method takes steps, which a checkpoint can continue."""
        return self.record.phases is not None

    @property
    def embeds(self) -> bool:
        """Whether the method looks at clips through ConvNet3D."""
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
        """The phases; only of resolved settings."""
        return Schedule(
            self.matching.iterations,
            self.warmup,
            self.cooldown,
            self.insert_every,
            insertion=bool(self.insertion),
        )

    @property
    def rule(self) -> InsertionRule:
        """The insertion rule; only of resolved settings."""
        return InsertionRule(
            metric=self.metric,
            epsilon=DEFAULT_EPSILON[self.metric] if self.epsilon is None else self.epsilon,
            selection=self.selection,
            insertions=self.insertions,
            gradient=self.gradient,
            evidence=self.evidence,
            persistence=self.persistence,
            score=self.score,
        )

    def differs(self, name: str) -> bool:
        """Whether a setting is not at its default."""
        value = getattr(self, name)
        if name == "epsilon" and value == DEFAULT_EPSILON[self.metric]:
            return False
        return bool(value != next(field.default for field in fields(self) if field.name == name))

    def notes(self) -> tuple[str, ...]:
        """Says which settings were given but are not used."""
        optional = {name for user in method_names() for name in method_named(user).settings}
        ignored = [
            flag_of(field.name)
            for field in fields(self)
            if field.name in optional and not self.uses(field.name) and self.differs(field.name)
        ]
        if not self.iterates:
            ignored += [flag_of(n) for n in ("resume", "checkpoint_every") if getattr(self, n)]
        notes = [f"{', '.join(ignored)}: not used by method {self.method}; ignored"] if ignored else []
        return (*notes, *self.record.notes(self))

    def provenance(self) -> dict[str, Any]:
        """The settings that decide what comes out, as a JSON object: those of the method and its data."""
        concerns = {*self.record.settings, "dataset", "vpc", "method", "seed", "dtype", "encoding"}
        concerns |= {"frames", "stride", "size", "split", "classes", "hold_out", "decoder"}
        concerns |= {"test_list", "class_names", "folder_layout", "soft_labels"}
        settings = asdict(self)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in settings.items()
            if name in concerns and name not in _CIRCUMSTANCES
        }
