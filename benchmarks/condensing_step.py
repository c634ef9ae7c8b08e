"""Times a DFS step against the plain loop over classes of the public baseline.

    python benchmarks/condensing_step.py [--frames 8 --size 64 --batch-real 64 --steps 3] [--device cuda]

Both train the same key frames of moving-shapes (VPC 1) on the same real batches with the same networks, in
turn, and the median times of a step are printed. The plain loop receives normalised floats and a finished
network, whose cost is not counted. It embeds real and synthetic clips class by class with the layers of the
public code, and leaves the rest to autograd and torch.optim.SGD. The script also prints the difference
between the key frames after the steps, relative to how far they have moved; the time of an insertion test;
and the time of a step with the real clips in bfloat16 (approximate).
"""

import argparse
import statistics
import sys
import time
from functools import partial

import torch
import torch.nn.functional as F

from dfs_store import condense, open_videos
from dfs_store.condense.engine.initialise import initial_key_frames
from dfs_store.condense.engine.insertion.rule import adjacent_cosines, gradient_dots
from dfs_store.condense.engine.loop import dfs_loop
from dfs_store.condense.engine.matching import class_means, match
from dfs_store.condense.engine.randomness import Purpose, numpy_generator
from dfs_store.condense.engine.real_clips import RealClips
from dfs_store.condense.engine.real_starts import real_starts
from dfs_store.condense.methods.dfs import frozen_network
from dfs_store.condense.runtime.device import resolve_device
from dfs_store.networks import ConvNet3D


class PlainConvNet3D(ConvNet3D):
    """Three times convolution, ReLU and pooling, in the memory order of the clips."""

    def _feature_maps(self, clips):
        maps = clips.transpose(1, 2)
        for number in range(3):
            convolution, pool, _ = self.features[3 * number : 3 * number + 3]
            maps = pool(F.relu(convolution(maps)))
        return maps


class PlainLoop:
    """Eq. 8 class by class, as in the public baseline, on key frames that autograd tracks."""

    def __init__(self, config, groups, network):
        chunks = [chunk for group in groups for chunk in group]
        self.network = network
        self.weights = torch.cat([chunk.weights for chunk in chunks])
        frames = torch.cat([chunk.frames for chunk in chunks])
        self.keys = torch.nn.Parameter(frames.view(len(self.weights), -1, *frames.shape[1:]))
        self.optimizer = torch.optim.SGD([self.keys], lr=config.lr, momentum=config.momentum)

    def step(self, batches):
        loss = torch.zeros((), device=self.keys.device)
        for label, real in enumerate(batches):
            clip = torch.einsum("tk,kchw->tchw", self.weights[label], self.keys[label])
            output_real = self.network.embed(real).detach()
            output = self.network.embed(clip[None])
            loss = loss + (output_real.mean(0) - output.mean(0)).square().sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def finish(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(action, device):
    finish(device)
    start = time.perf_counter()
    result = action()
    finish(device)
    return time.perf_counter() - start, result


def test_for_insertion(rule, gradient, chunk, draws):
    rule.gather(adjacent_cosines(gradient_dots(gradient), chunk, rule.gradient).cpu().numpy(), chunk.evidence)
    return rule.choose(chunk.evidence, draws)


def insertion_seconds(config, groups, network, real, device):
    """Returns the median time of the insertion test of one step, insertions included."""
    means = class_means(network, real.batches(0))
    times = []
    for number, group in enumerate(groups):
        for chunk, _, gradient in match(network, group, means):
            for turn in range(5):
                draws = numpy_generator(config.seed, Purpose.INSERTION, turn, number)
                test = partial(test_for_insertion, config.rule, gradient, chunk, draws)
                times.append(timed(test, device)[0])
    return statistics.median(times) * len(groups)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch-real", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = resolve_device(arguments.device)
    config = condense.CondenseConfig(
        out="unused.zarr", dataset="moving-shapes", vpc=1, iterations=100 * arguments.steps,
        batch_real=arguments.batch_real, lr=1.0, device=arguments.device,
    ).resolved()  # fmt: skip
    videos = open_videos("moving-shapes", frames=arguments.frames, size=arguments.size)
    groups = initial_key_frames(config, videos, device, real_starts(config, videos, device))
    network = frozen_network(videos, device)
    plain_network = PlainConvNet3D(len(videos.classes), videos.num_frames, arguments.size).to(device)
    plain = PlainLoop(config, groups, plain_network.requires_grad_(False).eval())
    start = plain.keys.detach().clone()
    ours, theirs, approximate = [], [], []
    with RealClips(videos, config.batch_real, config.seed, device) as real:
        loop = dfs_loop(config, real, network, groups)
        for step in range(arguments.steps + 1):
            batches = [own.contiguous() for batch in real.batches(step) for own in batch.classes()]
            ours.append(timed(lambda: next(loop), device)[0])
            plain_network.load_state_dict(network.state_dict())
            theirs.append(timed(lambda: plain.step(batches), device)[0])  # noqa: B023
        insertion = insertion_seconds(config, groups, network, real, device)
        for step in range(2):
            mean = lambda: class_means(network, real.batches(step), precision="bf16")  # noqa: B023, E731
            exact, means = timed(lambda: class_means(network, real.batches(step)), device)  # noqa: B023
            half, rounded = timed(mean, device)
            approximate.append((exact, half, float((rounded - means).norm() / means.norm())))
    frames = torch.cat([chunk.frames for group in groups for chunk in group]).view(start.shape)
    difference = float((frames - plain.keys.detach()).norm() / (frames - start).norm())
    step, plain_step = statistics.median(ours[1:]), statistics.median(theirs[1:])
    print(
        f"{len(videos.classes)} classes, {config.batch_real} real clips each, {arguments.frames}x"
        f"{arguments.size}x{arguments.size}, {device}, {torch.get_num_threads()} threads"
    )
    print(f"plain loop  {plain_step:8.3f} s per step")
    print(f"dfs_store   {step:8.3f} s per step, {plain_step / step:.2f} times as fast")
    print(f"key frames differ by {difference:.1e} of their way")
    print(f"insertion test {insertion * 1e3:.1f} ms, {100 * insertion / step:.2f} % of the step")
    exact, half, error = approximate[-1]
    print(
        f"real clips in bfloat16: {exact / half:.2f} times as fast, means off by {error:.1e}; "
        f"the whole step then {plain_step / (step - exact + half):.2f} times as fast as the plain loop"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
