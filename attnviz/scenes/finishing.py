"""What is done to a lit picture: tones, blades of grass, blur, and the look of a camera."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from attnviz.scenes.camera import FINE, View
from attnviz.scenes.noise import Noise
from attnviz.scenes.stage import Shot
from attnviz.scenes.tones import shown
from attnviz.scenes.vectors import Array

GRASS_ENDS = 5  # distances of the object away
VIGNETTE = 0.1  # how much darker the middle of an edge is than the picture's middle
GRAIN = 1.5  # levels of 255


def toned(light: Array) -> Image.Image:
    """Linear light (H, W, 3) of any strength as a picture."""
    return Image.fromarray((255 * shown(light)).astype(np.uint8))


def grow(image: Image.Image, shot: Shot, view: View, grassy: Array, noise: Noise) -> None:
    """Draws blades of grass into the fine picture, far to near, each in the color of the ground it stands on.

    They grow where ``grassy`` (H, W) holds, and below the picture where it holds at its lower edge.
    """
    width, height = view.size
    roots = noise.rng.random((shot.blades, 2)) * [width, 1.25 * height]
    rays = view.rays(roots[:, 0], roots[:, 1])
    far = -view.origin[1] / np.minimum(rays[:, 1], -1e-4)
    pixels, canvas = np.asarray(image), ImageDraw.Draw(image)
    for i in np.argsort(-far):
        x, y = roots[i]
        row, column = min(int(y), height - 1), int(x)
        if not grassy[row, column] or far[i] > GRASS_ENDS * shot.distance or rays[i, 1] > 0:
            continue
        _blade(canvas, (x, y), shot.blade * view.zoom / far[i], pixels[row, column], noise.rng)


def _blade(
    canvas: ImageDraw.ImageDraw, root: tuple[float, float], length: float, ground: Array, rng: np.random.Generator
) -> None:
    """One blade, bent to some side, about ``length`` fine pixels tall, on ground of that color (3,)."""
    x, y = root
    tall = length * (0.5 + rng.random())
    bend, half = tall * 0.6 * rng.standard_normal(), max(1.2, 0.045 * tall)
    gain, warmth = 0.75 + 0.75 * rng.random(), 1 + 0.12 * rng.standard_normal()
    hue = np.clip(ground * gain * (warmth, 1.04, 0.8), 0, 255)
    waist, waist_y = x + 0.3 * bend, y - 0.6 * tall
    tip = (x + bend, y - tall)
    left, right = (waist - 0.7 * half, waist_y), (waist + 0.7 * half, waist_y)
    canvas.polygon([(x - half, y), left, tip, right, (x + half, y)], fill=tuple(int(part) for part in hue))


def blurred_behind(image: Image.Image, depth: Array, shot: Shot) -> Image.Image:
    """The fine picture, blurred where its depth (H, W) is clearly more than the object's."""
    away = np.clip((depth / shot.distance - 1.15) * 2, 0, 1)
    mask = Image.fromarray((255 * away).astype(np.uint8))
    image.putalpha(mask)  # so that the object's colors do not bleed into what lies behind
    far = image.convert("RGBa").filter(ImageFilter.GaussianBlur(shot.blur * FINE)).convert("RGBA")
    return Image.composite(far.convert("RGB"), image.convert("RGB"), mask)


def developed(image: Image.Image, noise: Noise) -> Image.Image:
    """The fine picture at its size in pixels, with a darker rim and grain."""
    width, height = image.width // FINE, image.height // FINE
    small = image.resize((width, height), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(0.4))
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    rim = 1 - VIGNETTE * (x * x + y * y)
    grain = GRAIN * noise.rng.standard_normal((height, width, 1))
    pixels = np.asarray(small, np.float32) * rim[..., None] + grain
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
