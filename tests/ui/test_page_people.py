"""Who sees what: two at once, one who comes back, and a server that asks for a key."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from iclight_local.server.keys import KeyFile
from tests.ui.browsing import photograph, serving_page

pytestmark = pytest.mark.browser


def test_two_at_once_do_not_see_each_others_jobs_and_pictures(visitor, stranger, live, tmp_path):
    ann, bob = visitor, stranger(live.url)
    bob.open()
    live.engine.free.clear()
    for each, name in ((ann, "ann"), (bob, "bob")):
        each.give(photograph(tmp_path / f"{name}.png"))
        each.page.locator("#prompt textarea").fill(f"for {name}")
        each.relight()
        expect(each.element("relight").locator(".result-preview")).to_be_visible()
    (hers,), (his,) = ann.jobs(), bob.jobs()
    assert "for ann" in hers["what"] and "for bob" in his["what"] and hers["id"] != his["id"]
    address = f"page/jobs/{hers['id']}"
    assert ann.fetch(f"{address}/preview") == 200 and bob.fetch(f"{address}/preview") == 404
    # Nobody ends another's job.
    assert (
        bob.page.evaluate("(path) => fetch(path, {method: 'DELETE'}).then((answer) => answer.status)", address) == 404
    )
    live.engine.free.set()
    ann.done()
    bob.done()
    for part in ("", "/0", "/before"):
        assert ann.fetch(address + part) == 200 and bob.fetch(address + part) == 404
    assert bob.fetch(f"page/sheet?jobs={hers['id']}") == 400
    bob.tab("Jobs")
    expect(bob.page.locator("iclight-jobs article")).to_have_count(1)
    expect(bob.page.locator("iclight-jobs")).not_to_contain_text("ann")


def test_a_reload_in_the_middle_of_a_job_finds_it_again(visitor, photo, live):
    live.engine.free.clear()
    visitor.give(photo)
    visitor.relight()
    expect(visitor.element("relight").locator(".result-preview")).to_be_visible()
    visitor.page.reload()
    visitor.ready()
    visitor.sentence("relight", "Relighting: 50 %")
    expect(visitor.element("relight").locator(".result-preview")).to_be_visible()
    live.engine.free.set()
    visitor.done()
    (job,) = visitor.jobs()
    assert visitor.download().suggested_filename == f"relight-{job['seeds'][0]}-1.png"
    # Also when it was over before somebody came back.
    visitor.page.reload()
    visitor.done()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keyed")
    keys = KeyFile(folder / "keys.json")
    given = {name: keys.add(name) for name in ("ann", "bob")}
    with serving_page(folder / "jobs", keys=keys) as live:
        live.given = given
        yield live


def enter(visitor, key):
    """Come as somebody whom the server has not seen, and give a key."""
    visitor.page.context.clear_cookies()
    visitor.page.goto(f"{visitor.url}/ui/")
    visitor.page.get_by_label("This server asks for a key").fill(key)
    visitor.page.get_by_role("button", name="Open the page").click()


def test_a_server_with_keys_asks_for_one_first(stranger, keyed, photo):
    visitor = stranger(keyed.url)
    enter(visitor, "icl_wrong")
    expect(visitor.page.get_by_role("alert")).to_have_text("This key is not known here.")
    assert visitor.page.locator("#relight").count() == 0
    for path in ("page/jobs", "gradio_api/info", "page/light?light=left"):
        assert visitor.fetch(path) == 401
    enter(visitor, keyed.given["ann"])
    visitor.ready()
    (cookie,) = visitor.page.context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax" and cookie["value"] != keyed.given["ann"]
    assert "icl_" not in visitor.page.url
    visitor.give(photo)
    visitor.relight()
    visitor.done()
    job = visitor.jobs()[0]["id"]
    # What somebody sees of the page is that of their key.
    assert keyed.get(f"/relight/jobs/{job}", {"x-api-key": keyed.given["ann"]}).status == 200
    enter(visitor, keyed.given["bob"])
    visitor.ready()
    assert visitor.jobs() == [] and visitor.fetch(f"page/jobs/{job}/0") == 404
    enter(visitor, keyed.given["ann"])
    visitor.ready()
    assert [each["id"] for each in visitor.jobs()] == [job]
