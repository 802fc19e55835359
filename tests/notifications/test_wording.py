"""Templates over REST: saved in versions, tried before they are, and never missing where a programme names them."""

from typing import Any

import httpx

from tests.asking import pointers, refusal

ENGLISH = {
    "subject": "Happy birthday!",
    "html": '{% extends "layout.html" %}{% block content %}<p>{{ salutation.warm }}: {{ gift.text }}</p>{% endblock %}',
    "text": '{% extends "layout.txt" %}{% block content %}{{ salutation.warm }}: {{ gift.text }}{% endblock %}',
}
TEMPLATE: dict[str, Any] = {"kind": "occasion", "texts": {"en": ENGLISH}}


async def test_a_template_that_nobody_saved_is_the_default(client: httpx.AsyncClient) -> None:
    shown = (await client.get("/v1/templates/birthday")).json()
    assert (shown["version"], shown["saved_by"], sorted(shown["template"]["texts"])) == (0, None, ["de", "en"])
    listed = {each["name"]: each["version"] for each in (await client.get("/v1/templates")).json()["data"]}
    assert listed["welcome"] == 0
    refusal(await client.get("/v1/templates/nothing"), 404, "template-unknown")


async def test_each_template_that_differs_is_a_version(client: httpx.AsyncClient) -> None:
    other = {**TEMPLATE, "texts": {"en": {**ENGLISH, "subject": "Many happy returns!"}}}
    answers = [await client.put("/v1/templates/birthday", json=each) for each in (TEMPLATE, TEMPLATE, other)]
    assert [(each.status_code, each.json()["version"]) for each in answers] == [(201, 1), (200, 1), (201, 2)]
    versions = (await client.get("/v1/templates/birthday/versions")).json()["data"]
    assert [each["version"] for each in versions] == [2, 1]
    first = (await client.get("/v1/templates/birthday/versions/1")).json()
    assert first["template"]["texts"]["en"]["subject"] == "Happy birthday!"
    refusal(await client.get("/v1/templates/birthday/versions/3"), 404, "version-unknown")


async def test_what_is_wrong_with_a_template_is_said_before_it_is_saved(client: httpx.AsyncClient) -> None:
    wording = {**ENGLISH, "subject": "{{ nobody }}", "html": "{% if %}"}
    faulty = {"kind": "occasion", "texts": {"de": wording}}
    for answer in (
        await client.put("/v1/templates/birthday", json=faulty),
        await client.post("/v1/templates/preview?language=de", json=faulty),
    ):
        problem = refusal(answer, 422, "template-faulty")
        assert {"/texts", "/texts/de/subject", "/texts/de/html"} <= pointers(problem)
    assert (await client.get("/v1/templates/birthday")).json()["version"] == 0


async def test_a_preview_is_a_page_that_runs_nothing_or_json(client: httpx.AsyncClient) -> None:
    await client.put("/v1/templates/birthday", json=TEMPLATE)
    shown = await client.get("/v1/templates/birthday/preview?language=en")
    assert shown.json()["subject"] == "Happy birthday!"
    page = await client.get("/v1/templates/birthday/preview?language=en", headers={"Accept": "text/html,*/*"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.text == shown.json()["html"]
    tried = await client.post("/v1/templates/preview?language=en", json=TEMPLATE)
    assert tried.json() == shown.json()
    refusal(await client.get("/v1/templates/birthday/preview?language=fr"), 422, "language-missing")


async def test_a_programme_names_only_templates_that_fit(client: httpx.AsyncClient) -> None:
    def named(template: str) -> dict[str, Any]:
        return {"programme": {"messages": {"welcome": {"template": template}}}}

    problem = refusal(await client.put("/v1/programme", json=named("hello")), 422, "template-unknown")
    assert pointers(problem) == {"/programme/messages/welcome/template"}
    refusal(await client.put("/v1/programme", json=named("birthday")), 422, "template-unfit")
    hello = {"kind": "welcome", "texts": {"en": {**ENGLISH, "html": ENGLISH["html"].replace("gift.text", "available")}}}
    hello["texts"]["en"]["text"] = ENGLISH["text"].replace("gift.text", "available")  # type: ignore[index]
    saved = await client.put("/v1/templates/hello", json=hello)
    assert saved.status_code == 201, saved.text
    assert (await client.put("/v1/programme", json=named("hello"))).status_code == 201
    # and a template that a programme names stays what it is needed for
    problem = refusal(await client.put("/v1/templates/hello", json=TEMPLATE), 422, "template-unfit")
    assert pointers(problem) == {"/kind"}
