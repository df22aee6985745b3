from __future__ import annotations

from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from tests.imaging.hostile_server import PUBLIC, Handler, Names, serving


@pytest.fixture(scope="module")
def httpd() -> Iterator[int]:
    """The port of a hostile server, one for a file of tests."""
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


@pytest.fixture
def port(httpd: int) -> Iterator[int]:
    """The same, with nothing seen yet."""
    Handler.seen = []
    Handler.done.clear()
    yield httpd
    Handler.done.set()


@pytest.fixture
def names(port: int) -> Names:
    """A name server that knows a public place and one inside."""
    return Names(port, pictures_test=[PUBLIC], inside_test=["10.0.0.7"])
