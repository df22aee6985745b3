"""Who sees what: cookies, keys, and calls that other sites send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iclight_local.server.keys import KeyFile
from tests.server.live import Headers, Live, Reply, png
from tests.ui.at_page import AtPage, page_served, picture

FORM = {"content-type": "application/x-www-form-urlencoded"}
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with page_served(tmp_path_factory.mktemp("visitors")) as live:
        yield live


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"file": str(tmp_path_factory.mktemp("keys") / "keys.json")}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str]) -> Iterator[Live]:
    file = KeyFile(Path(keys["file"]))
    keys.update({name: file.add(name) for name in ("ann", "bob")})
    with page_served(tmp_path_factory.mktemp("keyed"), keys=file, rate=60) as live:
        yield live


def log_in(live: Live, key: str, headers: Headers | None = None) -> Reply:
    return live.call("POST", "/ui/login", f"key={key}".encode(), {**FORM, **HTML, **(headers or {})})


def test_the_slash_at_the_end_may_be_missing_and_the_root_leads_to_the_page(served: Live) -> None:
    for path in ("/", "/ui"):
        answer = served.get(path)
        assert answer.status == 307 and answer.headers["location"] == "/ui/"


def test_a_browser_gets_a_cookie_once_and_is_known_by_it(served: Live) -> None:
    first = served.get("/ui/")
    cookie = first.headers["set-cookie"]
    name, _, token = cookie.split(";")[0].partition("=")
    assert name == "iclight" and len(token) == 32
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie and "Max-Age" in cookie
    assert "set-cookie" not in served.get("/ui/", {"cookie": f"{name}={token}"}).headers
    assert served.get("/ui/").headers["set-cookie"] != cookie


@pytest.mark.parametrize("cookie", ["iclight=", "iclight=a", "iclight=" + "a" * 31, "iclight=" + "a" * 200, "other=1"])
def test_a_cookie_that_this_server_never_gave_is_none(cookie: str, served: Live) -> None:
    assert "set-cookie" in served.get("/ui/", {"cookie": cookie}).headers


def test_two_browsers_do_not_see_each_others_jobs(served: Live) -> None:
    ann, bob = AtPage(served), AtPage(served)
    (told,) = ann.press("Relight", {"Picture": picture(ann.upload(png())), "prompt": "for ann"})
    job = ann.wait(told["job"])
    assert [each["id"] for each in ann.get("/page/jobs").json["jobs"]] == [job["id"]]
    assert bob.get("/page/jobs").json == {"jobs": []}
    for part in ("", "/0", "/before", "/preview"):
        assert bob.get(f"/page/jobs/{job['id']}{part}").status == 404
    assert served.call("DELETE", f"/ui/page/jobs/{job['id']}", None, bob.headers).status == 404
    assert bob.get(f"/page/sheet?jobs={job['id']}").status == 400
    # Nor does the API without a key, whose owner is another.
    assert served.get(f"/relight/jobs/{job['id']}").status == 404


def test_the_page_may_fetch_from_its_own_server_alone(served: Live) -> None:
    headers = served.get("/ui/").headers
    policy = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'" and policy["frame-ancestors"] == "'none'"
    assert not any("http" in sources for sources in policy.values())
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, 401),
        ("GET", {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}, 401),
        ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, 401),
        ("POST", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, 401),
        ("POST", {"origin": "null"}, 401),
        ("POST", {"origin": "http://127.0.0.1:1"}, 401),
        ("POST", {"origin": "http://[::1"}, 401),
        ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, 200),
        ("GET", {"sec-fetch-site": "same-origin", "sec-fetch-dest": "empty"}, 200),
        ("GET", {"sec-fetch-site": "none"}, 200),
        ("POST", {"origin": "{own}"}, 404),
        ("POST", {"sec-fetch-site": "same-origin", "origin": "{own}"}, 404),
    ],
)
def test_calls_of_other_sites_are_refused_and_links_are_followed(
    method: str, headers: dict[str, str], status: int, served: Live
) -> None:
    sent = {name: value.format(own=served.url) for name, value in headers.items()}
    answer = served.call(method, "/ui/", b"" if method == "POST" else None, sent)
    assert answer.status == status
    if status == 401:
        assert "set-cookie" not in answer.headers


def test_a_server_with_keys_asks_for_one_and_shows_nothing_before(keyed: Live) -> None:
    asked = keyed.get("/ui/", HTML)
    assert asked.status == 200 and b"This server asks for a key" in asked.data and b"gradio" not in asked.data
    assert b'action="/ui/login"' in asked.data and "set-cookie" not in asked.headers
    for path in (
        "/page/jobs",
        "/page/light?light=left",
        "/page/static/page.js",
        "/assets/x.js",
        "/theme.css",
        "/config",
    ):
        answer = keyed.get(f"/ui{path}")
        assert (answer.status, set(answer.json)) == (401, {"error"})
    for path in ("/gradio_api/upload", "/page/jobs/x"):
        assert keyed.call("POST", f"/ui{path}", b"x", {}).status == 401
    assert keyed.get("/ui/gradio_api/file=/etc/passwd").status == 401
    # Gradio's scripts look for the server, and load the page again.
    lost = keyed.json("/ui/gradio_api/run/predict", {"fn_index": 0, "data": []})
    assert (lost.status, lost.json) == (401, {"error": "Connection errored out. "})
    assert keyed.get("/ui/gradio_api/app_id").status == 200


def test_a_key_opens_its_owners_page(keyed: Live, keys: dict[str, str]) -> None:
    ann = AtPage(keyed, keys["ann"])
    (told,) = ann.press("Relight", {"Picture": picture(ann.upload(png()))})
    job = ann.wait(told["job"])["id"]
    assert keyed.get(f"/relight/jobs/{job}", {"x-api-key": keys["ann"]}).status == 200
    assert AtPage(keyed, keys["ann"]).get(f"/page/jobs/{job}/0").status == 200
    assert AtPage(keyed, keys["bob"]).get(f"/page/jobs/{job}").status == 404


def test_a_login_begins_a_session_of_its_own(keyed: Live, keys: dict[str, str]) -> None:
    planted = "iclight=" + "a" * 32
    answer = log_in(keyed, keys["ann"], {"cookie": planted})
    cookie = answer.headers["set-cookie"]
    assert answer.status == 303 and answer.headers["location"] == "./"
    assert planted not in cookie and keys["ann"] not in cookie and "Max-Age" not in cookie
    assert keyed.get("/ui/page/jobs", {"cookie": planted}).status == 401
    assert keyed.get("/ui/page/jobs", {"cookie": cookie.split(";")[0]}).status == 200


def test_a_wrong_key_gets_its_sentence(keyed: Live) -> None:
    for key in ("icl_wrong", "", "%00", "x" * 1000):
        answer = log_in(keyed, key)
        assert answer.status == 401 and b"This key is not known here." in answer.data
    assert keyed.call("POST", "/ui/login", b"", FORM).json == {"error": "This key is not known here."}


def test_no_file_is_read_of_somebody_unknown(keyed: Live) -> None:
    answer = keyed.form("/ui/login", {"key": b"x" * 100_000})
    assert (answer.status, answer.json) == (400, {"error": "A key is sent as application/x-www-form-urlencoded."})
    assert log_in(keyed, "x" * 100_000).status == 400


def test_another_sites_login_is_refused(keyed: Live, keys: dict[str, str]) -> None:
    """Whose key is planted would be shown what the visitor puts there."""
    answer = log_in(keyed, keys["bob"], {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"})
    assert answer.status == 401 and "set-cookie" not in answer.headers


def test_guessing_is_slowed(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key = file.add("ann")
    with page_served(tmp_path / "jobs", keys=file, rate=5) as live:
        assert [log_in(live, f"icl_{number}").status for number in range(6)] == [401] * 5 + [429]
        assert b"Too many tries: wait" in log_in(live, "icl_7").data
        # Who has the key is not kept out by those who have not.
        assert log_in(live, key).status == 303
