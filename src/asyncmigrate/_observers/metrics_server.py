"""Serves the metrics over HTTP while a run lasts. Each scraper has a thread of its own, for which nobody waits."""

from __future__ import annotations

import socket
import socketserver
import threading
from http import HTTPStatus
from typing import Any

from prometheus_client import MetricsHandler

from asyncmigrate._observers.metrics import Metrics

_SCRAPER_SECONDS = 10.0  # for a scraper to send its request, and to take each part of the answer: Prometheus' default
_MOST_SCRAPERS = 16  # at once; a guess: more than a few are no scrapers
_POLL_SECONDS = 0.05  # until the server knows that it is over


class _Handler(MetricsHandler):
    timeout = _SCRAPER_SECONDS

    def do_GET(self) -> None:  # noqa: N802 -- http.server's name
        if self.path.partition("?")[0] in {"/", "/metrics"}:
            super().do_GET()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            return  # the scraper has gone, or was too slow


class MetricsServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Not http.server's class: that looks the host's name up, which may take long.

    Raises:
        OSError: the address cannot be listened at.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, metrics: Metrics, address: str, port: int) -> None:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, host = found[0][0], str(found[0][4][0])
        self._free = threading.Semaphore(_MOST_SCRAPERS)
        super().__init__((host, port), _Handler.factory(metrics.registry))
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        self._thread.start()

    def verify_request(self, request: object, client_address: object) -> bool:
        """Refuse a scraper while many others hang."""
        del request, client_address
        return self._free.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- socketserver's
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: a scraper's trouble is its own."""

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host, port = self.server_address[:2]
        name = host.decode() if isinstance(host, bytes | bytearray) else str(host)
        return f"http://{f'[{name}]' if ':' in name else name}:{port}/metrics"

    def close(self) -> None:
        """Take no more scrapers, and wait for none."""
        self.shutdown()
        self.server_close()
