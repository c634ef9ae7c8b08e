"""The movements of stick-figures, as joint positions over time for each of the eight actions.

Lengths are in body heights, x to the right and y upwards from the ground. A limb's angle is 0 if the limb
hangs straight down, and the trunk's angle is 0 if the trunk is upright. Positive angles point to the front
(the right). Time runs from 0 to 1 over one action.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from dfs_store.videos.built_in.generator import Floats, RawRandom

__all__ = ["ACTIONS", "BONES", "joints_of"]

Angle = Floats | float

_TRUNK: Final = 0.30
_NECK: Final = 0.125  # from the shoulders to the centre of the head
_UPPER_ARM: Final = 0.165
_FOREARM: Final = 0.165
_THIGH: Final = 0.235
_SHIN: Final = 0.245
_DEGREES: Final = np.pi / 180

# The bones as pairs of joints, in drawing order from back to front.
BONES: Final[dict[str, tuple[str, str]]] = {
    "far upper arm": ("far shoulder", "far elbow"),
    "far forearm": ("far elbow", "far hand"),
    "far thigh": ("far hip", "far knee"),
    "far shin": ("far knee", "far foot"),
    "neck": ("neck", "head"),
    "trunk": ("pelvis", "neck"),
    "head": ("head", "head"),
    "near thigh": ("near hip", "near knee"),
    "near shin": ("near knee", "near foot"),
    "near upper arm": ("near shoulder", "near elbow"),
    "near forearm": ("near elbow", "near hand"),
}


@dataclass(kw_only=True)
class _Pose:
    """Joint angles in degrees over time, each (T,) or a number.

    Attributes:
        trunk, head: angle from upright, positive to the front.
        near_arm, far_arm, near_leg, far_leg: angles of the upper and the lower bone.
        width: half the distance between the shoulders; 0 if seen exactly from the side.
        height: height of the lowest foot above the ground, in body heights.
    """

    trunk: Angle = 0.0
    head: Angle = 0.0
    near_arm: tuple[Angle, Angle] = (5.0, 15.0)
    far_arm: tuple[Angle, Angle] = (-5.0, 5.0)
    near_leg: tuple[Angle, Angle] = (4.0, 0.0)
    far_leg: tuple[Angle, Angle] = (-4.0, -8.0)
    width: float = 0.02
    height: Angle = 0.0


def _rise(time: Floats, start: float, end: float) -> Floats:
    """Returns a smooth step from 0 at `start` to 1 at `end`."""
    x = np.clip((time - start) / (end - start), 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _pulse(time: Floats, start: float, top: float, end_of_top: float, end: float) -> Floats:
    """Returns a smooth rise from 0 to 1, a plateau, and a fall back to 0."""
    return _rise(time, start, top) - _rise(time, end_of_top, end)


# An action takes the time (T,) and the vigour of the movement (about 1), and returns a pose.
Action = Callable[[Floats, float], _Pose]


def _boxing(time: Floats, vigour: float) -> _Pose:
    first, second = _pulse(time, 0.06, 0.2, 0.26, 0.42), _pulse(time, 0.42, 0.56, 0.72, 0.92)
    reach = 68 * vigour

    def arm(punch: Floats) -> tuple[Floats, Floats]:
        return 22 + reach * punch, 150 - 62 * punch

    return _Pose(
        trunk=12 + 12 * vigour * (first + second),
        head=4.0,
        near_arm=arm(first),
        far_arm=arm(second),
        near_leg=(13 + 5 * first, -6 - 4 * first),
        far_leg=(-6 - 3 * second, -24 - 3 * second),
        width=0.035,
    )


def _bowing(time: Floats, vigour: float) -> _Pose:
    bend = _pulse(time, 0.05, 0.45, 0.6, 1.0)
    lean = 88 * vigour * bend
    hang = 4 - 8 * bend
    return _Pose(
        trunk=lean,
        head=lean + 14 * bend,
        near_arm=(hang + 6, hang + 12),
        far_arm=(hang - 2, hang + 6),
        near_leg=(3 + 9 * bend, 0 + 9 * bend),
        far_leg=(-3 + 9 * bend, -6 + 9 * bend),
    )


def _jumping(time: Floats, vigour: float) -> _Pose:
    crouch = _pulse(time, 0.0, 0.16, 0.2, 0.32)
    landing = 0.7 * _pulse(time, 0.74, 0.84, 0.86, 1.0)
    bent = crouch + landing
    flight = np.clip((time - 0.28) / 0.5, 0.0, 1.0)
    swing = _pulse(time, 0.18, 0.38, 0.62, 0.86)
    arm = 6 - 48 * crouch + 158 * swing + 12 * landing
    return _Pose(
        trunk=32 * bent,
        head=20 * bent,
        near_arm=(arm, arm + 14),
        far_arm=(arm - 8, arm + 4),
        near_leg=(4 + 58 * bent, -4 - 52 * bent),
        far_leg=(-3 + 58 * bent, -10 - 52 * bent),
        height=0.19 * vigour * 4 * flight * (1 - flight),
    )


def _jumping_jack(time: Floats, vigour: float) -> _Pose:
    open_ = np.sin(np.pi * np.clip(time, 0.0, None)) ** 2
    arm, leg = 14 + 142 * vigour * open_, 3 + 32 * vigour * open_
    return _Pose(
        near_arm=(arm, arm + 8),
        far_arm=(-arm, -arm - 8),
        near_leg=(leg, leg),
        far_leg=(-leg, -leg),
        width=0.085,
        height=0.055 * vigour * np.abs(np.sin(2 * np.pi * time)),
    )


def _kicking(time: Floats, vigour: float) -> _Pose:
    lift, snap = _pulse(time, 0.06, 0.32, 0.66, 0.95), _pulse(time, 0.28, 0.44, 0.62, 0.8)
    thigh = -10 + 98 * vigour * lift
    return _Pose(
        trunk=2 - 22 * snap,
        head=-8 * snap,
        near_arm=(24 - 44 * snap, 118 - 70 * snap),
        far_arm=(18 + 30 * snap, 120 - 20 * snap),
        near_leg=(thigh, thigh - 12 - 74 * lift + 84 * snap),
        far_leg=(6.0, -4.0),
        width=0.03,
    )


def _squatting(time: Floats, vigour: float) -> _Pose:
    depth = vigour * _pulse(time, 0.04, 0.45, 0.58, 1.0)
    arm = 5 + 82 * depth
    return _Pose(
        trunk=20 * depth,
        head=8 * depth,
        near_arm=(arm, arm + 4),
        far_arm=(arm - 6, arm - 2),
        near_leg=(6 + 92 * depth, 2 - 26 * depth),
        far_leg=(-2 + 92 * depth, -6 - 26 * depth),
    )


def _waving(time: Floats, vigour: float) -> _Pose:
    up = _rise(time, 0.0, 0.22)
    swing = 46 * vigour * np.sin(2 * np.pi * 2.0 * (time - 0.16)) * _rise(time, 0.14, 0.3)
    upper = 14 + 96 * up
    return _Pose(
        trunk=-2 * up,
        near_arm=(upper, upper + 20 + 56 * up + swing),
        far_arm=(-13.0, -6.0),
        near_leg=(2.0, 2.0),
        far_leg=(-2.0, -2.0),
        width=0.085,
    )


# All actions except the push-up, whose joints depend on the height of the shoulders.
_STANDING: Final[dict[str, Action]] = {
    "boxing": _boxing,
    "bowing": _bowing,
    "jumping": _jumping,
    "jumping-jack": _jumping_jack,
    "kicking": _kicking,
    "squatting": _squatting,
    "waving": _waving,
}
ACTIONS: Final = tuple(sorted((*_STANDING, "push-up")))


def joints_of(action: str, time: Floats, random: RawRandom) -> dict[str, Floats]:
    """Returns the joint positions of a body performing an action.

    Args:
        action: one of `ACTIONS`.
        time: (T,) from 0 to 1 over one action; beyond 1, the action starts again.
        random: random numbers that vary the movement.

    Returns:
        Joints by name, each (T, 2), in body heights. The ground is at y = 0 and the feet are near x = 0; the
        push-up is centred on x = 0.
    """
    vigour = random.uniform(0.86, 1.12)
    habit = random.uniforms(12, -6.0, 6.0)  # degrees, one per angle, so that bodies differ
    time = np.where(time > 1.0, time - 1.0, time)
    if action == "push-up":
        return _push_up(time, vigour, habit)
    pose = _STANDING[action](time, vigour)
    joints = _upright(pose, habit, len(time))
    lowest = np.minimum(joints["near foot"][:, 1], joints["far foot"][:, 1])
    # The foot that carries the body does not move. In most actions, both feet carry it.
    anchor = joints["far foot"][:, 0] if action == "kicking" else _middle_of_feet(joints)
    shift = np.stack([anchor - anchor[0] + _middle_of_feet(joints)[0], lowest - pose.height], axis=1)
    return {name: place - shift for name, place in joints.items()}


def _middle_of_feet(joints: dict[str, Floats]) -> Floats:
    middle: Floats = (joints["near foot"][:, 0] + joints["far foot"][:, 0]) / 2
    return middle


def _limb(start: Floats, length: float, degrees: Angle) -> Floats:
    """Returns the end (T, 2) of a bone that begins at `start`."""
    angle = np.broadcast_to(np.asarray(degrees, dtype=np.float64) * _DEGREES, start.shape[:1])
    return start + length * np.stack([np.sin(angle), -np.cos(angle)], axis=1)


def _upright(pose: _Pose, habit: Floats, num_frames: int) -> dict[str, Floats]:
    """Returns the joint positions of a standing body with its pelvis at the origin."""
    pelvis = np.zeros((num_frames, 2))
    neck = _limb(pelvis, _TRUNK, 180 - np.asarray(pose.trunk) - habit[0] / 3)
    joints = {
        "pelvis": pelvis,
        "neck": neck,
        "head": _limb(neck, _NECK, 180 - np.asarray(pose.head) - habit[1]),
    }
    sides = (("near", 1.0, pose.near_arm, pose.near_leg), ("far", -1.0, pose.far_arm, pose.far_leg))
    for place, (side, sign, arm, leg) in enumerate(sides):
        own = habit[2 + 4 * place : 6 + 4 * place]
        shoulder = neck + np.array([sign * pose.width, -0.02])
        elbow = _limb(shoulder, _UPPER_ARM, arm[0] + own[0])
        hip = pelvis + np.array([sign * pose.width * 0.6, 0.0])
        knee = _limb(hip, _THIGH, leg[0] + own[2] / 2)
        joints |= {
            f"{side} shoulder": shoulder,
            f"{side} elbow": elbow,
            f"{side} hand": _limb(elbow, _FOREARM, arm[1] + own[1]),
            f"{side} hip": hip,
            f"{side} knee": knee,
            f"{side} foot": _limb(knee, _SHIN, leg[1] + own[3] / 2),
        }
    return joints


def _push_up(time: Floats, vigour: float, habit: Floats) -> dict[str, Floats]:
    down = _pulse(time, 0.05, 0.45, 0.55, 0.95)
    high = 0.94 * (_UPPER_ARM + _FOREARM)
    shoulder_height = high - 0.215 * vigour * down
    board = _TRUNK + _THIGH + _SHIN
    toes = np.stack([np.full_like(down, -0.44), np.full_like(down, 0.03)], axis=1)
    rise = np.arcsin((shoulder_height - 0.03) / board)
    along = np.stack([np.cos(rise), np.sin(rise)], axis=1)
    neck = toes + board * along
    joints = {"neck": neck, "pelvis": toes + (_SHIN + _THIGH) * along}
    joints["head"] = neck + _NECK * np.stack(
        [np.cos(rise + 0.35), np.sin(rise + 0.35 + habit[0] / 60)], axis=1
    )
    for side, offset in (("near", 0.0), ("far", 0.03)):
        shoulder = neck - 0.03 * along
        hand = np.stack([np.full_like(down, shoulder[0, 0] + 0.02 + offset), np.zeros_like(down)], axis=1)
        joints |= {
            f"{side} shoulder": shoulder,
            f"{side} elbow": _elbow(shoulder, hand),
            f"{side} hand": hand,
            f"{side} hip": joints["pelvis"],
            f"{side} knee": toes + _SHIN * along,
            f"{side} foot": toes,
        }
    return joints


def _elbow(shoulder: Floats, hand: Floats) -> Floats:
    """Returns the position of the elbow between a shoulder and a hand, bent backwards."""
    apart = hand - shoulder
    distance = np.minimum(np.linalg.norm(apart, axis=1, keepdims=True), _UPPER_ARM + _FOREARM)
    # Both bones have the same length, so the elbow is above the middle.
    aside = np.sqrt(np.maximum(_UPPER_ARM**2 - (distance / 2) ** 2, 0.0))
    across = np.stack([apart[:, 1], -apart[:, 0]], axis=1) / np.maximum(distance, 1e-9)
    elbow: Floats = shoulder + apart / 2 + aside * across
    return elbow
