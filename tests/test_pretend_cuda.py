"""The pretended GPU raises and counts as a GPU would."""

import pytest
import torch

from tests.pretend_cuda import pretended_cuda


def test_tensors_say_where_they_are_and_have_real_values(work):
    there = torch.arange(6.0, device="cuda").view(2, 3)
    assert there.device == torch.device("cuda:0")
    assert there.is_cuda
    assert (there @ there.T).cpu().tolist() == [[5.0, 14.0], [14.0, 50.0]]
    with pytest.raises(TypeError, match="to numpy"):
        there.numpy()


def test_mixing_devices_raises(work):
    there = torch.ones(3, device="cuda")
    for mixed in (lambda: there + torch.ones(3), lambda: torch.cat([there, torch.ones(3)])):
        with pytest.raises(RuntimeError, match="on the same device"):
            mixed()
    assert (there + torch.tensor(1.0)).cpu().tolist() == [2.0] * 3  # a single number may be of the host
    with pytest.raises(RuntimeError, match="'cuda' device type for generator"):
        there.uniform_(generator=torch.Generator())
    there.uniform_(generator=torch.Generator("cuda"))


def test_copies_and_synchronisations_are_counted(work):
    there = torch.zeros(4).to("cuda")
    assert (work.to_device, work.synchronisations, work.copied_bytes) == (1, 1, 16)
    torch.zeros(4).to("cuda", non_blocking=True)  # not pinned
    assert work.synchronisations == 2
    torch.zeros(4).pin_memory().to("cuda", non_blocking=True)
    assert (work.to_device, work.synchronisations) == (3, 2)
    there.cpu()
    assert (work.to_host, work.synchronisations) == (1, 3)
    there.sum().item()
    assert work.synchronisations == 4
    there[there > 0]
    assert work.synchronisations == 5
    there[torch.tensor([1, 2])]  # an index of the host, copied unasked
    assert (work.to_device, work.synchronisations) == (4, 6)


def test_kernels_are_counted_and_views_are_not(work):
    there = torch.ones(2, 3, device="cuda")
    work.reset()
    there.view(3, 2).transpose(0, 1)[0]
    assert work.kernels == 0
    there.mul_(2).add(1)
    assert work.kernels == 2
    assert work.numbers() == {"synchronisations": 0, "copies": 0, "kernels": 2}


def test_memory_is_counted_for_as_long_as_it_is_held(work):
    there = torch.zeros(2**20, device="cuda")
    assert work.live_bytes == 2**22
    there = there + 1
    assert (work.live_bytes, work.peak_bytes) == (2**22, 2**23)
    del there
    assert work.live_bytes == 0


def test_sums_in_any_order_are_noticed(work):
    pool = torch.nn.AvgPool3d(2, stride=1)
    clips = torch.ones(1, 1, 3, 3, 3, device="cuda", requires_grad=True)
    torch.autograd.grad(pool(clips).sum(), clips)
    numbers = torch.zeros(3, dtype=torch.int64, device="cuda")
    torch.zeros(2, device="cuda").index_add_(0, numbers, torch.ones(3, device="cuda"))
    assert [name.split(" ")[0] for name in work.in_any_order] == ["avg_pool3d_backward", "index_add_"]


def test_training_and_a_backward_pass_give_the_values_of_the_cpu(work):
    torch.manual_seed(0)
    here = torch.nn.GRU(3, 4, batch_first=True)
    there = torch.nn.GRU(3, 4, batch_first=True)
    there.load_state_dict(here.state_dict())
    there.to("cuda")
    clips = torch.randn(2, 5, 3)
    for network, given in ((here, clips), (there, clips.to("cuda"))):
        optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
        for _ in range(2):
            optimizer.zero_grad()
            network(given)[0].square().sum().backward()
            optimizer.step()
    for one, other in zip(here.parameters(), there.parameters(), strict=True):
        torch.testing.assert_close(other.detach().cpu(), one.detach())


def test_nothing_is_left_afterwards():
    with pretended_cuda():
        torch.zeros(1, device="cuda")
    assert torch.Generator.__module__ != __name__
    assert type(torch.zeros(2)) is torch.Tensor
    if not torch.cuda.is_available():
        with pytest.raises((AssertionError, RuntimeError)):
            torch.zeros(1, device="cuda")
