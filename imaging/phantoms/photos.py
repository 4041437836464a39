"""Photographs of the phantom as a phone would take them: a drawn hand or limb on a drape, ruler and colour card beside it.

Twelve megapixels (4000×3000, upright), sRGB. The ruler is true to scale: ``MM_PER_PIXEL`` is the answer a
calibration by the ruler has to find.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from imaging.phantoms.films import soft_tissue
from imaging.phantoms.hand import Cut, Field, Hand, Plane, Point, local, noise, on_bone, plane, ray, skeleton

SHAPE = (4000, 3000)
MM_PER_PIXEL = 0.0625
_HALF = (SHAPE[0] // 2, SHAPE[1] // 2)
_CENTRE: Point = (4.0, 88.0)

Rgb = NDArray[np.float32]
Weight = NDArray[np.float32] | NDArray[np.float64]

SKIN = (0.80, 0.585, 0.455)
_FLESH = (0.55, 0.085, 0.075)
_BONE = (0.91, 0.86, 0.72)
_DRAPE = (0.16, 0.38, 0.42)


def _board(side: str) -> Plane:
    """The plane the limb lies in, drawn at half the size of the picture."""
    return plane(_HALF, _CENTRE, MM_PER_PIXEL * 2, side)


def pixel(hand: Hand, bone: str, fraction: float) -> Point:
    """Column and row of a point on a bone of the photograph."""
    column, row = _board(hand.side).pixel(on_bone(hand, bone, fraction))
    return column * 2, row * 2


def hand_photo(hand: Hand, *, part: bool = False, pallor: float = 0.0) -> bytes:
    """The back of the hand, or with ``part`` what was severed from it, as JPEG.

    ``pallor`` 0…1 takes the blood out of the skin of a severed or replanted part.
    """
    board = _board(hand.side)
    ragged = noise(_HALF, 12, hand.seed + 7) * 0.7
    height = soft_tissue(hand, board, ragged, part=part)
    skin = _skin(height, hand.seed, pallor if part else 0.0)
    if pallor and not part:
        for cut in hand.sutures:
            _tint_beyond(skin, hand, cut, board, pallor)
    _details(skin, hand, board, height)
    for cut in hand.cuts:
        _raw_end(skin, hand, cut, board, height, ragged)
    for cut in hand.sutures:
        _stitches(skin, hand, cut, board, height)
    return _develop(skin, height, hand.seed, gauze=part, side=hand.side)


def limb_photo(*, wound_mm: tuple[float, float] = (72.0, 38.0), bone_exposed: bool = True, seed: int = 1) -> bytes:
    """A limb across the picture with an open wound of about ``wound_mm`` (length, width), as JPEG."""
    board = _board("right")
    x, y = board.mesh()
    along, across = (y - 88.0) + 0.0 * x, (x - 2.0) * (1 + 0.0012 * (y - 88.0)) + 0.0 * y
    height = np.sqrt(np.clip(50.0**2 - across**2, 0, None)).astype(np.float32) * 0.8
    skin = _skin(height, seed, 0.0)
    warp = noise(_HALF, 130, seed + 2) * 0.24 + noise(_HALF, 34, seed + 4) * 0.07
    depth = 1 - np.sqrt((along / (wound_mm[0] / 2)) ** 2 + ((across - 4) / (wound_mm[1] / 2)) ** 2) + warp
    texture = noise(_HALF, 14, seed + 5) * 0.5 + noise(_HALF, 5, seed + 6) * 0.3
    bruise = np.clip(1 + depth / 0.8, 0, 1)[..., None] * (depth < 0)[..., None]
    skin *= 1 - bruise * np.array([0.16, 0.34, 0.26], dtype=np.float32)
    flesh = _mix(_FLESH, (0.72, 0.20, 0.14), np.clip(0.5 + texture, 0, 1))
    flesh = np.where((texture > 0.52)[..., None], np.array((0.86, 0.68, 0.34), dtype=np.float32), flesh)
    _blend(skin, flesh, np.clip(depth * 9, 0, 1))
    _blend(skin, np.broadcast_to(np.array((0.30, 0.03, 0.03), dtype=np.float32), skin.shape), np.exp(-((depth / 0.07) ** 2)) * 0.75)
    if bone_exposed:
        ivory = (np.abs(across - 2 + 1.4 * texture) < 5.5) & (np.abs(along + 3 + 2.4 * texture) < wound_mm[0] * 0.24)
        _blend(skin, _mix(_BONE, (0.72, 0.55, 0.40), np.clip(0.4 + texture, 0, 1)), ivory * np.clip(depth * 5, 0, 1) * 0.95)
    height = height - np.clip(depth, 0, 0.5) * 8 + texture * (depth > 0) * 0.9
    return _develop(skin, height.astype(np.float32), seed, gauze=False, side="right")


def _skin(height: Field, seed: int, pallor: float) -> Rgb:
    tone = (
        noise(height.shape, 160, seed + 11) * 0.035 + noise(height.shape, 22, seed + 12) * 0.018 + noise(height.shape, 4, seed + 13) * 0.010
    )
    colour = np.array(SKIN, dtype=np.float32) * (1 - pallor) + np.array((0.74, 0.68, 0.60), dtype=np.float32) * pallor
    return np.asarray(colour + tone[..., None] * np.array([0.8, 1.1, 1.1], dtype=np.float32), dtype=np.float32)


def _blend(picture: Rgb, over: Rgb, weight: Weight) -> None:
    w = np.asarray(np.clip(weight, 0, 1), dtype=np.float32)[..., None]
    picture *= 1 - w
    picture += over * w


def _mix(a: tuple[float, ...], b: tuple[float, ...], t: Field) -> Rgb:
    w = t.astype(np.float32)[..., None]
    return np.asarray(np.array(a, dtype=np.float32) * (1 - w) + np.array(b, dtype=np.float32) * w)


def _missing(hand: Hand, bone_name: str) -> bool:
    digit = bone_name.split("-")[0]
    order = [b.name for b in ray(hand.spread, digit)]
    return any(c.bone in order and order.index(bone_name) >= order.index(c.bone) for c in hand.cuts)


def _paint(skin: Rgb, box: tuple[slice, slice], colour: tuple[float, float, float], weight: Weight) -> None:
    _blend(skin[box], np.broadcast_to(np.array(colour, dtype=np.float32), skin[box].shape), weight)


def _details(skin: Rgb, hand: Hand, board: Plane, height: Field) -> None:
    """Nails and the creases over each finger joint."""
    for bone in skeleton(hand.spread):
        if "-" not in bone.name or bone.name.endswith("metacarpal"):
            continue
        box = board.near(bone.head, bone.head, 14.0)
        u, v = local(bone, *board.mesh(box))
        if bone.name.endswith("distal"):
            width = 6.3 if bone.name.startswith("thumb") else 5.0
            nail = 1 - np.sqrt(np.abs((u - bone.length * 0.80) / (width * 1.12)) ** 2.6 + np.abs(v / width) ** 2.6)
            present = np.clip(height[box] - 2.0, 0, 1)
            _paint(skin, box, (0.90, 0.68, 0.60), np.clip(nail * 9, 0, 1) * 0.85 * present)
            _paint(skin, box, (0.52, 0.30, 0.24), np.exp(-((nail / 0.05) ** 2)) * 0.5 * present)
        else:
            for offset in (-2.2, -0.7, 0.9, 2.3):
                bow = u - bone.length - offset - 0.03 * v**2 * np.sign(offset)
                _paint(skin, box, (0.50, 0.31, 0.23), np.exp(-((bow / 0.22) ** 2)) * (np.abs(v) < 6.2) * 0.38)


def _cut_line(hand: Hand, cut: Cut, board: Plane, margin: float) -> tuple[tuple[slice, slice], Field, Field]:
    """The box around a cut, and in it the distance beyond the cut and across the digit, in mm."""
    bone = next(b for b in skeleton(hand.spread) if b.name == cut.bone)
    middle = tuple(p + (q - p) * cut.fraction for p, q in zip(bone.base, bone.head, strict=True))
    box = board.near((middle[0], middle[1]), (middle[0], middle[1]), margin)
    u, v = local(bone, *board.mesh(box))
    return box, u - bone.length * cut.fraction - v * np.tan(np.radians(cut.tilt)), v


def _raw_end(skin: Rgb, hand: Hand, cut: Cut, board: Plane, height: Field, ragged: Field) -> None:
    box, line, v = _cut_line(hand, cut, board, 24.0)
    near = (np.abs(v) < 12) & (height[box] > 0.4)
    texture = noise(line.shape, 7, hand.seed + 21) * 0.5 + noise(line.shape, 3, hand.seed + 22) * 0.3
    edge = line - ragged[box]
    flesh = _mix(_FLESH, (0.76, 0.26, 0.18), np.clip(0.45 + texture, 0, 1))
    _blend(skin[box], flesh, np.clip(4.2 + 1.2 * texture - np.abs(edge), 0, 1) * near)
    _paint(skin, box, _BONE, np.clip((3.0 - np.sqrt(v**2 + (edge * 1.1) ** 2)) / 0.5, 0, 1) * near)
    stain = np.clip((9 + 5 * noise(line.shape, 60, hand.seed + 23) - np.abs(line)) / 9, 0, 1) * near
    _paint(skin, box, (0.42, 0.05, 0.05), stain * 0.42)


def _stitches(skin: Rgb, hand: Hand, cut: Cut, board: Plane, height: Field) -> None:
    box, line, v = _cut_line(hand, cut, board, 14.0)
    near = (np.abs(v) < 10) & (height[box] > 0.4)
    _paint(skin, box, (0.45, 0.14, 0.12), np.exp(-((line / 0.55) ** 2)) * near * 0.85)
    thread = (np.abs((v + 100) % 3.2 - 1.6) < 0.24) & (np.abs(line) < 2.1) & near
    _paint(skin, box, (0.07, 0.08, 0.14), thread * 0.9)


def _tint_beyond(skin: Rgb, hand: Hand, cut: Cut, board: Plane, pallor: float) -> None:
    box, line, v = _cut_line(hand, cut, board, 75.0)
    _paint(skin, box, (0.62, 0.36, 0.42), np.clip(line, 0, 1) * (np.abs(v) < 10) * pallor)


def _develop(skin: Rgb, height: Field, seed: int, *, gauze: bool, side: str) -> bytes:
    """Light the limb, lay it on the drape with its shadow, add ruler and card, and take the picture."""
    dy, dx = np.gradient(height, MM_PER_PIXEL * 2)
    light = np.clip((0.50 * dx * -1 + 0.62 * dy + 1.25) / np.sqrt(dx**2 + dy**2 + 1) / 1.25, 0.28, 1.25)
    mask = np.clip(height / 1.6, 0, 1).astype(np.float32)
    weave = noise(height.shape, 2, seed + 31) * 0.018 + noise(height.shape, 220, seed + 32) * 0.035
    base = (0.90, 0.90, 0.88) if gauze else _DRAPE
    board: Rgb = np.array(base, dtype=np.float32) + weave[..., None]
    if gauze:
        down, across = np.indices(height.shape)
        board -= np.where((down % 12 < 2) | (across % 12 < 2), np.float32(0.07), np.float32(0))[..., None]
    shadow = Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(22))
    dark = np.asarray(shadow.transform(shadow.size, Image.Transform.AFFINE, (1, 0, -20, 0, 1, -16)), dtype=np.float32) / 255
    board *= (1 - 0.5 * dark)[..., None]
    lit = skin * (0.34 + 0.68 * light)[..., None]
    _blend(board, lit, mask)
    rows, columns = height.shape
    fall = 1.04 - 0.16 * np.hypot(*np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows)))
    picture = Image.fromarray((np.clip(board * fall[..., None], 0, 1) ** (1 / 1.12) * 255).astype(np.uint8))
    picture = picture.resize((SHAPE[1], SHAPE[0]), Image.Resampling.BICUBIC)
    _ruler(picture, side)
    _card(picture, side)
    grain = np.random.default_rng(seed).integers(-5, 6, (SHAPE[0], SHAPE[1], 1), dtype=np.int16)
    pixels = np.clip(np.asarray(picture, dtype=np.int16) + grain, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=88)
    return out.getvalue()


def _ruler(picture: Image.Image, side: str) -> None:
    """A 15 cm paper ruler along the edge away from the thumb, exactly to scale."""
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=74)
    left, top, mm = (90 if side == "right" else SHAPE[1] - 340), 560, 1 / MM_PER_PIXEL
    draw.rectangle((left, top - 80, left + 250, top + 150 * mm + 80), fill=(244, 243, 238), outline=(190, 190, 184), width=3)
    for tick in range(151):
        y = top + tick * mm
        size = 130 if tick % 10 == 0 else 95 if tick % 5 == 0 else 60
        draw.line((left + 250 - size, y, left + 250, y), fill=(24, 24, 24), width=5 if tick % 10 == 0 else 3)
        if tick % 10 == 0:
            draw.text((left + 26, y - 42), str(tick // 10), fill=(24, 24, 24), font=font)
    draw.text((left + 26, top + 150 * mm + 4), "cm", fill=(24, 24, 24), font=font)


def _card(picture: Image.Image, side: str) -> None:
    """A colour card of eight patches and a grey step in the lower corner below the thumb."""
    draw = ImageDraw.Draw(picture)
    patches = ((115, 82, 68), (194, 150, 130), (98, 122, 157), (87, 108, 67), (175, 54, 60), (231, 199, 31), (56, 61, 150), (70, 148, 73))
    greys = ((243, 243, 242), (200, 200, 200), (160, 160, 160), (122, 122, 121))
    left, top, size = (2180 if side == "right" else 140), 3440, 170
    draw.rectangle((left - 30, top - 30, left + 4 * size + 30, top + 3 * size + 30), fill=(28, 28, 28))
    for order, colour in enumerate(patches + greys):
        x, y = left + (order % 4) * size, top + (order // 4) * size
        draw.rectangle((x + 8, y + 8, x + size - 8, y + size - 8), fill=colour)
