"""The pictures that can be chosen: drawn ones of ours, photos inside installed packages, a lecturer's own."""

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from attnviz.errors import AttnvizError, PictureError
from attnviz.images import load_picture
from attnviz.ui import texts

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
PACKAGED = ("tower.jpg", "cheetah.jpg", "lion.jpg")  # none shows one of the ten classes
LIMIT = 24


@dataclass(frozen=True)
class Example:
    """One picture: its name in a state, what it is called, where it lies, and how it came to be."""

    id: str
    label: str
    path: Path
    origin: str  # "drawn", "other" (a photo of none of the ten classes) or "own"


def examples(folder: Path | None = None) -> list[Example]:
    """Those of a lecturer's folder first, then drawn scenes, then photos of installed packages."""
    own = _own(folder) if folder else []
    if len(own) > LIMIT:
        raise AttnvizError(f"--examples {folder}: {len(own)} pictures; the page has room for {LIMIT}")
    return [*own, *_drawn(), *_packaged()][:LIMIT]


def _drawn() -> list[Example]:
    """Our own scenes, in the order in which they are listed."""
    from attnviz.scenes import SCENES
    from attnviz.zoo import assets

    paths = [assets() / "examples" / f"{name.replace(' ', '-')}.jpg" for name in SCENES]
    return [Example(f"drawn-{path.stem}", _title(path), path, "drawn") for path in paths if path.is_file()]


def _packaged() -> list[Example]:
    """Photos inside the installed Gradio, read from there; those that a version lacks are left out."""
    spec = find_spec("gradio")
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "media_assets" / "images"
    paths = [folder / name for name in PACKAGED]
    return [
        Example(f"package-{p.stem}", texts.EXAMPLE_NAMES.get(p.stem, _title(p)), p, "other")
        for p in paths
        if p.is_file()
    ]


def _own(folder: Path) -> list[Example]:
    if not folder.is_dir():
        raise AttnvizError(f"--examples {folder}: there is no such folder")
    known = ", ".join(sorted(SUFFIXES))
    if not any(path.suffix.lower() in SUFFIXES for path in folder.iterdir()):
        raise AttnvizError(f"--examples {folder}: it holds no picture ({known})")
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            _check(path)
            found.append(Example(f"own-{path.name}", _title(path), path, "own"))
        elif path.is_file() and not path.name.startswith("."):
            logging.getLogger(__name__).warning("--examples: %s is left out: it is none of %s", path.name, known)
    return found


def _check(path: Path) -> None:
    """A picture that cannot be read is told at the start, not in the lecture."""
    try:
        load_picture(path)
    except PictureError as error:
        raise PictureError(f"--examples: {path.name}: {error}") from None


def _title(path: Path) -> str:
    return path.stem.replace("-", " ").replace("_", " ").capitalize()
