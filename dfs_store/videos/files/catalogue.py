"""The catalogue of datasets that can be opened by name."""

from dataclasses import dataclass, field

from dfs_store.errors import SettingsError
from dfs_store.videos.decode.sampling import Sampling
from dfs_store.videos.files.class_names import HMDB51, MINIUCF, UCF101

__all__ = ["CATALOGUE", "FOLDER", "LIST", "DatasetInfo"]


@dataclass(frozen=True)
class DatasetInfo:
    """An entry of the catalogue.

    Attributes:
        name: name on the command line.
        title: one-line description.
        layout: name of the dataset's reader in `layouts`; "" for a built-in dataset.
        metric: the score that the paper reports, "top1" or "top5".
        sampling: default sampling of the clips.
        num_classes: number of classes in the whole dataset; None for a folder or a list.
        num_clips: number of clips in the whole dataset, by split (of official split 1).
        classes: fixed class names in Python's sort order; empty if the dataset's lists contain the names.
        needs_all_classes: whether to reject a root that lacks a class.
        official_splits: number of official splits; --split selects one.
        folder_names: names of folders in DFS_DATA in which to look for the dataset.
        source: distributor and URL.
        files: required files and folders in the dataset's root.
    """

    name: str
    title: str
    layout: str
    metric: str
    sampling: Sampling
    num_classes: int | None = None
    num_clips: dict[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    needs_all_classes: bool = False
    official_splits: int = 1
    folder_names: tuple[str, ...] = ()
    source: str = ""
    files: str = ""

    @property
    def is_built_in(self) -> bool:
        """Whether the clips are generated from a seed (see `built_in`) rather than read from files."""
        return not self.layout

    def check_official_split(self, number: int) -> None:
        """Raises SettingsError unless the dataset has an official split with this number."""
        if not 1 <= number <= self.official_splits:
            allowed = "split 1" if self.official_splits == 1 else f"splits 1 to {self.official_splits}"
            raise SettingsError(f"{self.name} has only the official {allowed}, got {number}")


_UCF_SOURCE = (
    "UCF Center for Research in Computer Vision, https://www.crcv.ucf.edu/data/UCF101.php: UCF101.rar and "
    "UCF101TrainTestSplits-RecognitionTask.zip"
)
_UCF_FILES = "UCF-101/<Class>/*.avi and ucfTrainTestlist/{trainlist01,testlist01}.txt"
_HALF = Sampling(frames=8, stride=None, size=64, rule="middle", resize="direct")

FOLDER = DatasetInfo(
    name="folder",
    title="any folder of class folders",
    layout="folders",
    metric="top1",
    sampling=Sampling(resize="keep-crop"),
    files=(
        "<class>/<clips>, or train/<class>/<clips> and test/<class>/<clips>; a clip is a video, or a folder "
        "of pictures, one per frame"
    ),
)


LIST = DatasetInfo(
    name="list",
    title="a list of videos and their classes",
    layout="list",
    metric="top1",
    sampling=FOLDER.sampling,
    files=(
        "lines `path label` (separated by a space, tab or comma), or csv with a header such as "
        "path,label,split; paths are relative to --root or to the list's folder"
    ),
)


def _built_in(name: str, content: str) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        title=f"built in: {content}, generated from a seed, no files",
        layout="",
        metric="top1",
        sampling=Sampling(frames=8, stride=1, size=48),
        source="generated from a seed",
        files="none",
    )


CATALOGUE: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        _built_in("stick-figures", "articulated figures in eight actions"),
        _built_in("moving-shapes", "shapes whose classes differ by motion alone"),
        DatasetInfo(
            name="miniucf",
            title="the 50 classes of UCF101 used in the published experiments",
            layout="ucf",
            metric="top1",
            sampling=Sampling(),
            num_classes=50,
            num_clips={"train": 4662, "test": 1861},
            classes=MINIUCF,
            needs_all_classes=True,
            official_splits=3,
            folder_names=("miniucf", "ucf101", "UCF101"),
            source=_UCF_SOURCE,
            files=_UCF_FILES,
        ),
        DatasetInfo(
            name="ucf101",
            title="101 human actions from web videos",
            layout="ucf",
            metric="top1",
            sampling=Sampling(),
            num_classes=101,
            num_clips={"train": 9537, "test": 3783},
            classes=UCF101,
            official_splits=3,
            folder_names=("ucf101", "UCF101"),
            source=_UCF_SOURCE,
            files=_UCF_FILES,
        ),
        DatasetInfo(
            name="hmdb51",
            title="51 human actions from films and web videos (train: official and unused clips)",
            layout="hmdb",
            metric="top1",
            sampling=Sampling(),
            num_classes=51,
            num_clips={"train": 5236, "test": 1530},
            classes=HMDB51,
            official_splits=3,
            folder_names=("hmdb51", "HMDB51"),
            source=(
                "Serre Lab, Brown University, https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-"
                "motion-database/: hmdb51_org.rar (each class is a .rar of its own) and test_train_splits.rar"
            ),
            files="<class>/*.avi and testTrainMulti_7030_splits/<class>_test_split1.txt",
        ),
        DatasetInfo(
            name="kinetics400",
            title="Kinetics-400: 400 human actions, ten-second web videos (test: the validation part)",
            layout="kinetics",
            metric="top5",
            sampling=_HALF,
            num_classes=400,
            num_clips={"train": 246_534, "test": 19_906},
            folder_names=("kinetics400", "k400", "kinetics-400"),
            source="CVD Foundation, https://github.com/cvdfoundation/kinetics-dataset",
            files=(
                "train/<class>/*.mp4 and val/<class>/*.mp4, or train/*.mp4 and val/*.mp4 with train.csv and "
                "val.csv"
            ),
        ),
        DatasetInfo(
            name="ssv2",
            title="Something-Something V2: 174 hand-object interactions (test: the validation part)",
            layout="ssv2",
            metric="top5",
            sampling=Sampling(frames=8, stride=None, size=64, rule="even", resize="direct"),
            num_classes=174,
            num_clips={"train": 168_913, "test": 24_777},
            folder_names=("ssv2", "something-something-v2", "sthv2"),
            source=(
                "Qualcomm, https://www.qualcomm.com/developer/software/something-something-v-2-dataset "
                "(20bn-something-something-v2-*.zip and the labels package)"
            ),
            files=(
                "20bn-something-something-v2/<id>.webm and something-something-v2-{train,validation}.json "
                "(or labels/{train,validation}.json)"
            ),
        ),
    )
}
