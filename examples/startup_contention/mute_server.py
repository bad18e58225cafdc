"""A server that accepts every connection and never answers: what an overloaded database looks like to its clients.

Prints the port it listens on and serves until it is ended. It stands in for the database and for the HTTPS API.
"""

from __future__ import annotations

import selectors
import socket


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                client, _ = listener.accept()
                selector.register(client, selectors.EVENT_READ)
            elif isinstance(key.fileobj, socket.socket):
                forget_if_closed(selector, key.fileobj)


def forget_if_closed(selector: selectors.BaseSelector, client: socket.socket) -> None:
    """Read what the client says (it is never answered); when it is gone, so is the connection."""
    try:
        still_open = bool(client.recv(65536))
    except OSError:
        still_open = False
    if not still_open:
        selector.unregister(client)
        client.close()


if __name__ == "__main__":
    main()
