"""Where published weights are, on their server and on this machine.

Files lie where their libraries look for them, so that what a library has fetched before counts, and the other way
round.
"""

import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol
from urllib.parse import urlsplit

from attnviz.errors import ModelError
from attnviz.stock.files import Remote, check

RELEASES = "ATTNVIZ_RELEASES"  # a mirror of the release files, by the same paths: https://mirror.example.org


class Origin(Protocol):
    """A published file of weights."""

    advice: ClassVar[str]  # how else the file may be brought here

    @property
    def address(self) -> str:
        """What a HEAD request asks for."""

    def headers(self) -> dict[str, str]:
        """What a request has to say."""

    def cached(self) -> Path | None:
        """The file where it is at hand."""

    def describe(self, timeout: float) -> Remote:
        """Ask the server about it."""

    def settle(self, target: Path) -> Path:
        """Make of the fetched file what the library looks for."""


@dataclass(frozen=True)
class HubFile:
    """A file of a repository on the Hugging Face hub (or its mirror: HF_ENDPOINT), kept in the hub's own cache."""

    advice: ClassVar[str] = "set HF_HOME to a folder that has it"

    repo: str
    file: str = "model.safetensors"
    others: tuple[str, ...] = ("pytorch_model.bin",)  # what an older timm fetched

    @property
    def address(self) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.repo, self.file)

    def headers(self) -> dict[str, str]:
        from huggingface_hub import constants, get_token

        token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def cached(self) -> Path | None:
        from huggingface_hub import try_to_load_from_cache

        for file in (self.file, *self.others):
            found = try_to_load_from_cache(self.repo, file)
            if isinstance(found, str):
                return Path(found)
        return None

    def describe(self, timeout: float) -> Remote:
        """Raises whatever the hub's client raises."""
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

        found = get_hf_file_metadata(self.address, timeout=timeout)
        tag = found.etag or ""
        if found.commit_hash is None or not re.fullmatch(r"[\w.-]+", tag):
            raise ModelError(f"{urlsplit(self.address).netloc} answers, but not as a hub of Hugging Face does")
        folder = Path(constants.HF_HUB_CACHE) / f"models--{self.repo.replace('/', '--')}"
        digest = ("sha256", tag) if re.fullmatch(r"[0-9a-f]{64}", tag) else None
        url = hf_hub_url(self.repo, self.file, revision=found.commit_hash)
        return Remote(url, self.headers(), found.size, digest, folder / "blobs" / tag)

    def settle(self, target: Path) -> Path:
        """The blob is there: the hub's client adds what makes it a file of the repository."""
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self.repo, self.file))


@dataclass(frozen=True)
class _Release:
    """A file at an address that anybody may ask for."""

    url: str

    @property
    def address(self) -> str:
        mirror = os.environ.get(RELEASES)
        return mirror.rstrip("/") + urlsplit(self.url).path if mirror else self.url

    def headers(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True)
class TorchFile(_Release):
    """A release file that torch's hub keeps ($TORCH_HOME), with the beginning of its SHA-256."""

    advice: ClassVar[str] = "set TORCH_HOME to a folder that has it"

    sha256: str | None

    def cached(self) -> Path | None:
        return _existing(self._target)

    def describe(self, timeout: float) -> Remote:
        digest = ("sha256", self.sha256) if self.sha256 else None
        return Remote(self.address, {}, None, digest, self._target)

    def settle(self, target: Path) -> Path:
        return target

    @property
    def _target(self) -> Path:
        home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch"
        return Path(home).expanduser() / "hub" / "checkpoints" / self.url.rpartition("/")[2]


@dataclass(frozen=True)
class PytorchcvFile(_Release):
    """A zipped release file that pytorchcv keeps in ~/.torch/models, with the SHA-1 of what is in it."""

    advice: ClassVar[str] = "put it into ~/.torch/models"

    sha1: str

    def cached(self) -> Path | None:
        return _existing(self._file)

    def describe(self, timeout: float) -> Remote:
        return Remote(self.address, {}, None, None, self._file.with_name(self._file.name + ".zip"))

    def settle(self, target: Path) -> Path:
        """Unpack under another name, check, and only then give it its own."""
        partial = self._file.with_name(self._file.name + ".unpacked")
        try:
            with zipfile.ZipFile(target) as archive, archive.open(self._file.name) as packed, partial.open("wb") as out:
                while block := packed.read(1 << 20):
                    out.write(block)
            check(partial, ("sha1", self.sha1))
            partial.replace(self._file)
        except (zipfile.BadZipFile, KeyError):
            raise ModelError(f"{target.name} is no archive of {self._file.name}; fetch it again") from None
        finally:
            partial.unlink(missing_ok=True)
            target.unlink(missing_ok=True)
        return self._file

    @property
    def _file(self) -> Path:
        return Path("~/.torch/models").expanduser() / self.url.rpartition("/")[2].removesuffix(".zip")


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None
