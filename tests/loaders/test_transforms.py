"""Per-clip transforms: torchvision's v2 on a Video, in either layout."""

import pytest
import torch
from torchvision.transforms import v2
from torchvision.tv_tensors import Video

from dfs_store import DFSDataset
from dfs_store.errors import SettingsError


@pytest.mark.parametrize("layout", ["CTHW", "TCHW"])
def test_a_transform_receives_a_video_and_its_result_has_the_layout(store_path, layout):
    seen = []

    def transform(video):
        seen.append((type(video), video.shape, video.dtype))
        return v2.functional.horizontal_flip(video)

    plain, changed = (
        DFSDataset(store_path, layout=layout),
        DFSDataset(store_path, layout=layout, transform=transform),
    )
    clip, label = changed[1]
    assert seen == [(Video, (8, 3, 6, 5), torch.float32)]
    assert type(clip) is torch.Tensor
    assert clip.is_contiguous()
    assert torch.equal(clip, plain[1][0].flip(-1))
    assert label == 1


def test_a_transform_can_change_the_size_and_number_of_frames(store_path):
    chain = v2.Compose([v2.Resize((4, 4)), v2.UniformTemporalSubsample(2)])
    assert DFSDataset(store_path, transform=chain)[0][0].shape == (3, 2, 4, 4)


def test_values_follow_normalization(store_path):
    seen = []
    dataset = DFSDataset(
        store_path, normalization=None, layout="TCHW", transform=lambda v: seen.append(v) or v
    )
    assert torch.equal(dataset[0][0], DFSDataset(store_path, normalization=None, layout="TCHW")[0][0])
    assert torch.equal(seen[0].as_subclass(torch.Tensor), dataset[0][0])


def test_a_transform_is_applied_clip_by_clip_in_a_batch(store_path):
    dataset = DFSDataset(store_path, transform=v2.Lambda(lambda video: video * 2))
    plain = DFSDataset(store_path)
    for (clip, _), number in zip(dataset.__getitems__([4, 2]), [4, 2], strict=True):
        torch.testing.assert_close(clip, plain[number][0] * 2, rtol=0, atol=4e-6)


@pytest.mark.parametrize(
    ("result", "said"), [(torch.zeros(3, 4, 4), r"shape \(3, 4, 4\)"), (None, "NoneType")]
)
def test_invalid_results_of_a_transform_are_refused(store_path, result, said):
    with pytest.raises(SettingsError, match=rf"must return clips of shape \(T, C, H, W\), got {said}"):
        DFSDataset(store_path, transform=lambda _: result)[0]
