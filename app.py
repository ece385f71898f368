"""attnviz on a web page: python app.py, then open http://127.0.0.1:7860."""

import argparse
import ipaddress
import os
import socket
import sys
from pathlib import Path

# Set before Gradio is imported: it would call home.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description="See what a CNN's attention does to your picture.")
    # A Space says by these variables where it listens.
    host, number = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), os.environ.get("GRADIO_SERVER_PORT", "7860")
    parser.add_argument("--host", default=host, help="address to listen on; 0.0.0.0 for every one")
    parser.add_argument("--port", type=port, default=number, help="port to listen on")
    parser.add_argument("--examples", type=Path, metavar="DIR", help="a folder of your own pictures, shown first")
    trust = "take paths of Python files on the page and run them: on your own machine alone"
    parser.add_argument("--trust-local-code", action="store_true", help=trust)
    asked = parser.parse_args(arguments)
    if asked.trust_local_code and os.environ.get("SPACE_ID"):
        parser.error("--trust-local-code is for one's own machine: a Space would run the code of all its visitors")
    if asked.trust_local_code and not loopback(asked.host):
        parser.error(f"--trust-local-code would let others run code here: listen on 127.0.0.1, not on {asked.host}")
    return asked


def main() -> int:
    """Build the app and serve it until it is stopped."""
    asked = options()
    from attnviz import AttnvizError
    from attnviz.ui.app import build, launch_options

    try:
        app = build(asked.examples, trusted=asked.trust_local_code)
    except AttnvizError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if (why := taken(asked.host, asked.port)) is not None:
        sys.stderr.write(f"cannot listen on {asked.host}:{asked.port} ({why}); choose another with --port\n")
        return 1
    sys.stderr.write(f"attnviz opens http://{asked.host}:{asked.port}\n")
    app.launch(server_name=asked.host, server_port=asked.port, **launch_options())
    return 0


def taken(host: str, number: int) -> str | None:
    """Why the app cannot listen there, or None."""
    try:
        family, kind, *_, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None


def loopback(host: str) -> bool:
    """Whether an address is heard on this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def port(text: str) -> int:
    """A port's number."""
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text} is no port: they go from 1 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
