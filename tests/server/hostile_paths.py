"""Hostile calls: paths that try to leave, ids of nobody, wrong methods, headers that lie."""

from __future__ import annotations

from tests.server.hostile import HOUSE_JOBS, PHOTOROOM, Hostile

_IDS = {
    "dots": "..",
    "dots encoded": "%2e%2e",
    "upwards": "../../../../etc/passwd",
    "upwards encoded": "..%2f..%2f..%2fetc%2fpasswd",
    "upwards encoded twice": "..%252f..%252fetc%252fpasswd",
    "upwards in UTF-8 that is too long": "..%c0%af..%c0%afetc%c0%afpasswd",
    "upwards with backslashes": "..%5c..%5cwindows%5cwin.ini",
    "an absolute path": "/etc/passwd",
    "an absolute path encoded": "%2fetc%2fpasswd",
    "the database": "..%2fjobs.sqlite",
    "NUL": "%00",
    "NUL at the end": "abc%00.png",
    "a line end": "abc%0d%0aX-Injected:%201",
    "a quote": "%27%20OR%20%271%27=%271",
    "a pattern": "%25",
    "a star": "*",
    "a template": "%7b%7b7*7%7d%7d",
    "a script": "%3Cscript%3Ealert(1)%3C/script%3E",
    "no UTF-8": "%ff%fe",
    "half a letter": "%ed%a0%80",
    "letters beyond ASCII": "%F0%9F%92%A3",
    "a percent that encodes nothing": "%zz",
    "very long": "a" * 20_000,
    "empty": "",
    "a space": "%20",
    "a number": "-1",
}
_PLACES = {
    "house job": "/relight/jobs/{}",
    "house result": "/relight/results/{}/0.png",
    "house result's name": "/relight/results/SECRET/{}",
    "ic-light job": "/v2/requests/{}",
    "ic-light job's state": "/v2/requests/{}/status",
    "ic-light job, as of old": "/v1/requests/{}",
    "pixeldojo job": "/api/v1/jobs/{}",
    "pixeldojo model": "/api/v1/models/{}",
    "pixeldojo model's schema": "/api/v1/models/{}/schema",
}
_LISTS = ("/relight/jobs/", "/api/v1/jobs/", "/api/v1/models/")
ROUTES = {
    "/healthz": "GET",
    "/readyz": "GET",
    "/metrics": "GET",
    "/relight": "POST",
    "/relight/jobs": "GET POST",
    "/relight/jobs/none": "GET DELETE",
    "/relight/results/none/0.png": "GET",
    "/relight/openapi.json": "GET",
    "/relight/docs": "GET",
    "/v2/edit": "GET POST",
    "/v1/account": "GET",
    "/v2/account": "GET",
    "/v1/segment": "POST",
    "/v1/render": "GET POST",
    "/v2/requests/none/status": "GET",
    "/v1/requests/none": "GET",
    "/v2/requests/none": "GET",
    "/v1/ic-light": "POST",
    "/v2/ic-light": "POST",
    "/v1/segmind-relighting-v2": "POST",
    "/v2/segmind-relighting-v2": "POST",
    "/api/v1/models": "GET",
    "/api/v1/models/image-relighting": "GET",
    "/api/v1/models/image-relighting/schema": "GET",
    "/api/v1/models/image-relighting/run": "POST",
    "/api/v1/jobs": "GET",
    "/api/v1/jobs/none": "GET",
}
"""Paths, and the methods that they take."""


def paths() -> list[Hostile]:
    """Paths that try to leave, where an id or a name is taken; ``SECRET`` stands for that of a result."""
    found = []
    for place, pattern in _PLACES.items():
        for what, tried in _IDS.items():
            path = pattern.format(tried)
            # A slash at the end of a path changes nothing, so this is the list itself.
            status = 200 if path in _LISTS else 404
            found.append(Hostile(f"{place}: {what}", "GET", path, status))
    for name in ("1.png", "-1.png", "0.jpg", "0", "0.png.png", "%EF%BC%90.png", "in-subject_image", "999999.png"):
        found.append(Hostile(f"house result's name: {name}", "GET", f"/relight/results/SECRET/{name}", 404))
    for path in (
        "/etc/passwd",
        "/.git/config",
        "/.env",
        "/static/../../etc/passwd",
        "/jobs/jobs.sqlite",
        "//relight",
        "/v3",
    ):
        found.append(Hostile(f"no route: {path}", "GET", path, 404))
    found += [
        Hostile("ids: cancel a job of nobody", "DELETE", "/relight/jobs/none", 404),
        Hostile("ids: cancel upwards", "DELETE", "/relight/jobs/..%2f..%2fjobs.sqlite", 404),
        Hostile("ids: run an unknown model", "POST", "/api/v1/models/..%2fother/run", 404),
        Hostile("ids: run a model of another API", "POST", "/v1/image-relighting", 404),
        # Ids of other APIs: JOBID is a job of the house.
        Hostile("ids: a house job at pixeldojo", "GET", "/api/v1/jobs/JOBID", 404),
        Hostile("ids: a job's id in place of its secret", "GET", "/relight/results/JOBID/0.png", 404),
        Hostile("ids: a secret in place of a job's id", "GET", "/relight/jobs/SECRET", 404),
    ]
    return found


def methods() -> list[Hostile]:
    """Methods that a path does not take."""
    return [
        Hostile(f"methods: {method} {path}", method, path, 405)
        for path, taken in ROUTES.items()
        for method in ("GET", "POST", "PUT", "DELETE", "TRACE", "get")
        if method not in taken.split()
    ]


_STRANGERS = ("a host of a name", "a host with a path", "a host with a user", "a host in brackets")


def headers() -> list[Hostile]:
    """Headers that lie or are too many."""
    lies = {
        "a forwarded address": {"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1", "x-real-ip": "127.0.0.1"},
        "another path": {"x-original-url": "/metrics", "x-rewrite-url": "/metrics"},
        "another method": {"x-http-method-override": "DELETE"},
        "a host of a name": {"host": "evil.test"},
        "a host with a path": {"host": "evil.test/a?b#c"},
        "a host with a user": {"host": "a@evil.test"},
        "a host in brackets": {"host": "[::1"},
        "a host with quotes": {"host": '"><script>'},
        "a host with a bad port": {"host": "a:99999999"},
        "no host": {"host": ""},
        "a number of 5000 digits": {"range": "bytes=" + "9" * 5000 + "-"},
        "200 headers": {f"x-{each}": "a" for each in range(200)},
        "a cookie of 10 KB": {"cookie": "a=" + "b" * 10_000},
        "letters beyond ASCII": {"x-api-key": "\xff\xfe", "authorization": "Bearer \xff"},
        "an upgrade": {
            "connection": "upgrade",
            "upgrade": "websocket",
            "sec-websocket-key": "a",
            "sec-websocket-version": "13",
        },
        "an upgrade to HTTP/2": {
            "connection": "upgrade, http2-settings",
            "upgrade": "h2c",
            "http2-settings": "AAMAAABk",
        },
    }
    found = []
    for what, lie in lies.items():
        # A server without keys is not called by the name of a stranger's page.
        strange = what in _STRANGERS
        house, photoroom = (401, 403) if strange else (404, 400)
        found.append(Hostile(f"headers: {what}", "GET", f"{HOUSE_JOBS}/none", house, lie))
        found.append(Hostile(f"photoroom headers: {what}", "GET", PHOTOROOM, photoroom, lie))
    ranges = ",".join(f"{each}-{each}" for each in range(0, 6000, 2))
    found.append(
        Hostile(
            "headers: 3000 ranges of a result",
            "GET",
            "/relight/results/SECRET/0.png",
            200,
            {"range": f"bytes={ranges}"},
        )
    )
    found.append(
        Hostile(
            "headers: a range of nothing",
            "GET",
            "/relight/results/SECRET/0.png",
            400,
            {"range": "bytes=z-"},
            plain=True,
        )
    )
    found.append(
        Hostile(
            "headers: a range beyond",
            "GET",
            "/relight/results/SECRET/0.png",
            416,
            {"range": "bytes=99999999-"},
            plain=True,
        )
    )
    return found
