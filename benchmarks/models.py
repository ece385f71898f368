"""How quickly ``attnviz models`` answers: ``python -m benchmarks.models`` prints a report.

Whole processes are timed, from their start to their end: without a connection, in the three ways in which there can be
none, and with a hub that has everything.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Annotated

import typer


class Everything(BaseHTTPRequestHandler):
    """A server that has whatever it is asked for."""

    def do_HEAD(self) -> None:
        """Say so."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing more."""


@contextmanager
def refused() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def hanging() -> Iterator[str]:
    """An address where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


@contextmanager
def serving() -> Iterator[str]:
    """An address where everything is."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Everything) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def seconds(address: str, offline: str, home: str) -> float:
    """One run of the command."""
    environment = os.environ | {
        "HF_ENDPOINT": address,
        "ATTNVIZ_RELEASES": address,
        "HF_HUB_OFFLINE": offline,
        "HF_HOME": home,
        "TORCH_HOME": home,
        "HOME": home,
    }
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "attnviz", "models"], env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def main(runs: Annotated[int, typer.Option(help="processes for each line")] = 10) -> None:
    """Print the report."""
    cases = {
        "HF_HUB_OFFLINE=1": (refused, "1"),
        "connections are refused": (refused, "0"),
        "servers hang": (hanging, "0"),
        "servers have everything": (serving, "0"),
    }
    print(f"{'attnviz models':26}{'median':>10}{'slowest':>10}   ({runs} processes)")
    for name, (server, offline) in cases.items():
        with server() as address, tempfile.TemporaryDirectory() as home:
            times = [seconds(address, offline, home) for _ in range(runs)]
        print(f"{name:26}{statistics.median(times):8.2f} s{max(times):8.2f} s")


if __name__ == "__main__":
    typer.run(main)
