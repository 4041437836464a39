"""The anatomy behind every phantom: a hand as bones and soft tissue in millimetres.

Coordinates are those of a right hand seen from its back, wrist joint at the origin, fingers towards +y,
thumb towards +x; a left hand is the mirror image. Bone lengths are rounded adult means.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Point = tuple[float, float]

DIGITS = ("thumb", "index", "middle", "ring", "little")


@dataclass(frozen=True)
class Bone:
    """A tubular bone from ``base`` to ``head`` with half-widths in mm at mid-shaft and at both ends."""

    name: str
    base: Point
    head: Point
    shaft: float
    base_width: float
    head_width: float
    cortex: float

    @property
    def length(self) -> float:
        return math.dist(self.base, self.head)


@dataclass(frozen=True)
class Cut:
    """Where a digit was severed: ``bone`` at ``fraction`` of its length, ``tilt`` degrees off square."""

    bone: str
    fraction: float
    tilt: float = 0.0


@dataclass(frozen=True)
class Hand:
    """A hand with what happened to it: severed, broken, sutured back, or pinned with wires along bones."""

    side: str = "right"
    cuts: tuple[Cut, ...] = ()
    fractures: tuple[Cut, ...] = ()
    sutures: tuple[Cut, ...] = ()
    wires: tuple[str, ...] = ()
    seed: int = 1
    spread: float = 1.0


# digit: (metacarpal base, metacarpal angle, digit angle, [lengths], shaft half-width), angles in degrees towards the thumb
_RAYS: dict[str, tuple[Point, float, float, tuple[float, ...], float]] = {
    "thumb": ((23.0, 17.0), 46.0, 34.0, (45.0, 32.0, 23.0), 4.6),
    "index": ((13.5, 30.0), 9.0, 8.0, (67.0, 40.0, 23.0, 17.5), 4.3),
    "middle": ((3.0, 32.0), 1.5, 1.0, (64.0, 44.5, 27.0, 18.0), 4.4),
    "ring": ((-7.5, 30.0), -6.5, -6.0, (57.0, 41.0, 26.0, 18.0), 4.0),
    "little": ((-16.5, 26.5), -14.0, -16.0, (53.0, 32.5, 18.5, 16.5), 3.6),
}
_SEGMENTS = ("metacarpal", "proximal", "middle", "distal")
_THUMB_SEGMENTS = ("metacarpal", "proximal", "distal")
_JOINT_GAP = 1.7

CARPALS: tuple[tuple[str, Point, Point, float], ...] = (
    # name, centre, half axes (mm), rotation (degrees)
    ("scaphoid", (10.5, 8.5), (6.0, 8.4), 38.0),
    ("lunate", (0.5, 6.5), (6.6, 6.2), 0.0),
    ("triquetrum", (-10.0, 9.0), (5.6, 5.2), -20.0),
    ("pisiform", (-12.5, 11.5), (3.8, 4.4), 0.0),
    ("trapezium", (18.0, 18.0), (6.2, 5.6), 30.0),
    ("trapezoid", (11.0, 22.0), (4.8, 5.0), 10.0),
    ("capitate", (2.5, 20.5), (6.0, 10.2), 0.0),
    ("hamate", (-8.5, 20.5), (6.4, 7.6), -18.0),
)


def _along(point: Point, degrees: float, length: float) -> Point:
    angle = math.radians(degrees)
    return (point[0] + length * math.sin(angle), point[1] + length * math.cos(angle))


def skeleton(spread: float = 1.0) -> tuple[Bone, ...]:
    """Every tubular bone of the hand and the ends of radius and ulna; ``spread`` scales finger spreading."""
    bones = [
        Bone("radius", (9.0, -75.0), (9.5, -2.5), 6.6, 6.4, 15.0, 2.2),
        Bone("ulna", (-13.0, -75.0), (-14.0, -5.5), 5.4, 5.4, 7.6, 2.0),
    ]
    for digit, (start, metacarpal_angle, angle, lengths, shaft) in _RAYS.items():
        at = start
        names = _THUMB_SEGMENTS if digit == "thumb" else _SEGMENTS
        for order, (segment, length) in enumerate(zip(names, lengths, strict=True)):
            heading = metacarpal_angle if order == 0 else angle * spread
            head = _along(at, heading, length)
            thin = shaft * (0.92**order)
            flare = 1.75 if order == 0 else 1.6
            tip = 1.25 if segment == "distal" else 1.5
            bones.append(
                Bone(
                    f"{digit}-{segment}",
                    at,
                    head,
                    thin * (0.7 if segment == "distal" else 1.0),
                    thin * flare,
                    thin * tip,
                    1.45 * (0.88**order),
                )
            )
            at = _along(head, heading, _JOINT_GAP)
    return tuple(bones)


def ray(spread: float, digit: str) -> list[Bone]:
    """The bones of one digit, metacarpal first."""
    return [bone for bone in skeleton(spread) if bone.name.startswith(digit + "-")]


@dataclass(frozen=True)
class Plane:
    """The picture plane: hand millimetres of each column (``x``) and each row (``y``)."""

    x: Field
    y: Field

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.y), len(self.x)

    def near(self, p0: Point, p1: Point, margin: float) -> tuple[slice, slice]:
        """Rows and columns of the box around a segment, ``margin`` mm wider on each side."""
        return _span(self.y, p0[1], p1[1], margin), _span(self.x, p0[0], p1[0], margin)

    def pixel(self, point: Point) -> Point:
        """Column and row of a point of the hand."""
        (x0, x1), (y0, y1) = self.x[:2], self.y[:2]
        return float((point[0] - x0) / (x1 - x0)), float((point[1] - y0) / (y1 - y0))

    def mesh(self, box: tuple[slice, slice] | None = None) -> tuple[Field, Field]:
        """x as a row and y as a column, ready to broadcast, of the whole plane or of a box."""
        rows, columns = box or (slice(None), slice(None))
        return self.x[columns][None, :], self.y[rows][:, None]


def on_bone(hand: Hand, name: str, fraction: float) -> Point:
    """The point so far along a bone of the hand, from its base (0) to its head (1)."""
    (x0, y0), (x1, y1) = next((bone.base, bone.head) for bone in skeleton(hand.spread) if bone.name == name)
    return x0 + (x1 - x0) * fraction, y0 + (y1 - y0) * fraction


def plane(shape: tuple[int, int], centre: Point, mm_per_pixel: float, side: str, squeeze: float = 1.0) -> Plane:
    """The plane of a picture of ``shape`` (rows, columns) whose middle is ``centre``.

    A left hand is mirrored; ``squeeze`` below 1 foreshortens across, as in an oblique view.
    """
    rows, columns = shape
    x = (np.arange(columns, dtype=np.float32) - columns / 2) * mm_per_pixel / squeeze
    y = (rows / 2 - np.arange(rows, dtype=np.float32)) * mm_per_pixel + centre[1]
    return Plane((-x if side == "left" else x) + centre[0], y)


def _span(axis: Field, a: float, b: float, margin: float) -> slice:
    inside = np.flatnonzero((axis > min(a, b) - margin) & (axis < max(a, b) + margin))
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)


def local(bone: Bone, x: Field, y: Field) -> tuple[Field, Field]:
    """Coordinates along (0…length) and across a bone."""
    ux, uy = (bone.head[0] - bone.base[0]) / bone.length, (bone.head[1] - bone.base[1]) / bone.length
    dx, dy = x - bone.base[0], y - bone.base[1]
    return dx * ux + dy * uy, dx * uy - dy * ux


def noise(shape: tuple[int, int], scale: int, seed: int) -> Field:
    """Smooth value noise with a grain of ``scale`` pixels, mean 0, about ±1."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((shape[0] // scale + 3, shape[1] // scale + 3)).astype(np.float32)
    rows = np.arange(shape[0], dtype=np.float32) / scale
    columns = np.arange(shape[1], dtype=np.float32) / scale
    r0, c0 = rows.astype(int), columns.astype(int)
    fr, fc = _ease(rows - r0)[:, None], _ease(columns - c0)[None, :]
    left = coarse[r0][:, c0] * (1 - fr) + coarse[r0 + 1][:, c0] * fr
    right = coarse[r0][:, c0 + 1] * (1 - fr) + coarse[r0 + 1][:, c0 + 1] * fr
    blended: Field = left * (1 - fc) + right * fc
    return blended


def _ease(t: Field) -> Field:
    eased: Field = t * t * (3 - 2 * t)
    return eased


def past_cut(hand: Hand, bone: Bone, u: Field, v: Field, ragged: Field) -> NDArray[np.bool_] | None:
    """Which points beside ``bone`` lie beyond the cut of its digit; None when the digit is whole there."""
    digit = bone.name.split("-")[0]
    order = [b.name for b in ray(hand.spread, digit)] if digit in DIGITS else [bone.name]
    for cut in hand.cuts:
        if cut.bone not in order:
            continue
        here, there = order.index(bone.name), order.index(cut.bone)
        if here > there:
            return np.ones(np.shape(u), dtype=bool)
        if here == there:
            line = bone.length * cut.fraction + v * math.tan(math.radians(cut.tilt)) + ragged
            return np.asarray(u > line)
    return None
