"""Reach with an arm: where the elbow goes, and how forearm and wrist turn, if the hand is held somewhere."""

import numpy as np

from train.synthetic.people.body import Body, Floats, load_rig
from train.synthetic.pose_mesh import shortest_rotation

LONGEST_REACH = 0.985  # of the arm's length: an arm is never quite straight
TWIST_IN_FOREARM = 0.6  # of the hand's twist; the wrist takes none, the elbow the rest
SWIVELS = 9  # elbows that are tried, from low beside the body to high outside


def reach(
    body: Body, hand: Floats, target: Floats, shoulder: Floats, side: str = "R"
) -> tuple[dict[str, Floats], float]:
    """Return rotations of the arm's bones that bring the wrist to `target` (3,), and the wrist's bend in rad.

    hand: rotation (3, 3) of the wrist, which stays. shoulder: (3,) where the upper arm begins. Of the elbows
    that reach, the one is taken that bends the wrist least.
    """
    rig = load_rig()
    at = {name: body.joints[rig.bone(f"{name}.{side}")] for name in ("upperarm01", "lowerarm01", "wrist")}
    upper, fore = at["lowerarm01"] - at["upperarm01"], at["wrist"] - at["lowerarm01"]
    longer, shorter = float(np.linalg.norm(upper)), float(np.linalg.norm(fore))
    way = target - shoulder
    distance = float(np.linalg.norm(way))
    distance_in_reach = float(np.clip(distance, 0.35 * longer, LONGEST_REACH * (longer + shorter)))
    along = way / distance
    cosine = (longer**2 + distance_in_reach**2 - shorter**2) / (2 * longer * distance_in_reach)
    cosine = float(np.clip(cosine, -1, 1))
    out = -1.0 if side == "R" else 1.0
    down = _perpendicular(np.array([0.0, -1.0, 0.0]), along)
    aside = np.cross(along, down)
    aside *= np.sign(aside[0] * out) or 1.0
    best: tuple[float, dict[str, Floats]] | None = None
    for swivel in np.linspace(np.radians(-25), np.radians(95), SWIVELS):
        elbow_way = down * np.cos(swivel) + aside * np.sin(swivel)
        elbow = shoulder + longer * (along * cosine + elbow_way * np.sqrt(1 - cosine**2))
        wrist = shoulder + along * distance_in_reach
        upper_turn = _turn_to(upper, elbow - shoulder)
        fore_turn = _turn_to(upper_turn @ fore, wrist - elbow) @ upper_turn
        forearm = (wrist - elbow) / np.linalg.norm(wrist - elbow)
        straight = hand @ (fore / shorter)  # where the forearm would be with an unbent wrist
        bend = float(np.arccos(np.clip(straight @ forearm, -1, 1)))
        if best is None or bend < best[0]:
            unbent = _turn_to(straight, forearm) @ hand
            twist = unbent @ fore_turn.T  # about the forearm
            half = _part_of(twist, forearm, TWIST_IN_FOREARM)
            early = _part_of(twist, forearm, TWIST_IN_FOREARM / 3)
            turns = {
                "upperarm01": upper_turn,
                "lowerarm01": early @ fore_turn,
                "lowerarm02": half @ fore_turn,
            }
            best = bend, {f"{name}.{side}": turn for name, turn in turns.items()}
    assert best is not None
    return best[1], best[0]


def _perpendicular(vector: Floats, axis: Floats) -> Floats:
    rest = vector - (vector @ axis) * axis
    return np.asarray(rest / max(1e-6, float(np.linalg.norm(rest))))


def _turn_to(a: Floats, b: Floats) -> Floats:
    """Return (3, 3), the shortest rotation that takes the direction of a to that of b."""
    return shortest_rotation(a / np.linalg.norm(a), b / np.linalg.norm(b))


def _part_of(twist: Floats, axis: Floats, fraction: float) -> Floats:
    """Return a fraction of a rotation about `axis`."""
    across = _perpendicular(np.array([0.3, 0.9, 0.4]), axis)
    turned = twist @ across
    angle = float(np.arctan2(np.cross(across, turned) @ axis, across @ turned)) * fraction
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k)
