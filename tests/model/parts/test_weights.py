"""Files of published weights: found, fetched and kept only if they are the published ones."""

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.parts.weights import Weights

CONTENT = b"some weights"
PUBLISHED = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's own, elsewhere."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of a web server, whose files lie in site/."""
    (tmp_path / "site").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None:
            pass

    handler = functools.partial(Quiet, directory=tmp_path / "site")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{door.server_port}"
        door.shutdown()


def weights(url: str | None = None, sha256: str = PUBLISHED[:8]) -> Weights:
    return Weights("net.pth", sha256, "MIT", url=url)


def test_what_is_kept_is_found(cache: Path) -> None:
    assert weights().find() is None
    kept = weights().keep(CONTENT)
    assert kept == cache / "net.pth" == weights().find()
    assert kept.read_bytes() == CONTENT


def test_another_file_is_refused_and_leaves_nothing(cache: Path) -> None:
    with pytest.raises(ValueError, match=r"the sha256 is \w{16}\.\.\., expected"):
        weights().keep(b"other weights")
    assert not cache.exists()


def test_a_file_that_cannot_be_written_whole_is_not_there(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        weights().keep(CONTENT)
    assert list(cache.iterdir()) == []


def test_a_download_is_kept(cache: Path, site: str, tmp_path: Path) -> None:
    (tmp_path / "site" / "net.pth").write_bytes(CONTENT)
    assert weights(f"{site}/net.pth").download().read_bytes() == CONTENT
    assert weights().find() == cache / "net.pth"


@pytest.mark.parametrize("content", [None, b"an error page"])
def test_a_download_that_fails_or_is_another_file_raises(cache: Path, site: str, tmp_path: Path, content) -> None:
    if content is not None:
        (tmp_path / "site" / "net.pth").write_bytes(content)
    with pytest.raises((OSError, ValueError)):
        weights(f"{site}/net.pth").download()
    assert weights().find() is None
