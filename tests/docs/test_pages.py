"""The pages agree with the code: settings, metrics, made parts, links."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from console.http.openapi_callbacks import MEANINGS
from ledger.acl import LEDGER_CALLS, OUTSIDE_SCRIPTS, QUEUE_CALLS
from runtime.settings import Settings
from schemas.endpoints.endpoint import ENDPOINT_TYPES, PAYMENT_TYPES, TEST_TYPE
from schemas.payments.facts import Status
from scripts.reference.__main__ import outdated
from tests.docs.conftest import RelayUp
from tests.support.headings import anchors
from tests.support.processes import ROOT
from tests.support.waiting import PATIENCE

DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "deploy").glob("*.md"))
    if ".venv" not in page.parts
)
_LINK = re.compile(r"(?<!`)\[[^]\n]*\]\((?P<target>[^)\s]+)\)")
_ROW = re.compile(r"^\| `(?P<name>[A-Za-z_]+)` \|(?P<rest>.*)\|$", re.MULTILINE)
_SAMPLE = re.compile(r"^# TYPE (?P<name>relay_\w+) (?P<kind>\w+)$", re.MULTILINE)
_OF_EACH_PROCESS = {"HOST", "PORT", "RELAY_QUEUE_URL"}
_PATHS = re.compile(r"/home/|/root/|/tmp/")


def section(page: str, heading: str) -> str:
    """The text of a page's section."""
    text = (DOCS / page).read_text()
    return re.split(r"^#+ ", text.partition(f"## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(page: str, heading: str) -> dict[str, str]:
    """The rows of a section's table, by what stands in code in the first column."""
    return {found["name"]: found["rest"] for found in _ROW.finditer(section(page, heading))}


def test_every_setting_is_documented_with_its_default() -> None:
    """The table has each variable once, and setting what it names as default changes nothing."""
    table = rows("operating.md", "Settings")
    assert list(table) == [field.alias for field in Settings.model_fields.values()]
    for name, rest in table.items():
        if name in _OF_EACH_PROCESS:
            continue
        default = rest.split("|")[0].strip()
        environ = {name: default.strip("`")} if default.startswith("`") else {}
        assert Settings.load(environ) == Settings.load({}), name
        field = next(key for key, one in Settings.model_fields.items() if one.alias == name)
        assert bool(getattr(Settings.load({}), field)) <= bool(default), f"{name} has a default"


def test_every_metric_is_documented_where_it_is(relay_up: RelayUp) -> None:
    """The table has what each process really gives, by the name under which it is looked for."""
    headers = {"authorization": f"Bearer {relay_up.token}"}
    relay_up.play("card")
    httpx.post(f"{relay_up.urls['receiver']}/webhooks/nobody", json={"imp_uid": "imp_1"}, timeout=PATIENCE)
    found: dict[str, list[str]] = {}
    for process in ("receiver", "worker", "console"):
        text = httpx.get(f"{relay_up.urls[process]}/metrics", headers=headers, timeout=PATIENCE).text
        assert "process_resident_memory_bytes" in text
        for sample in _SAMPLE.finditer(text):
            name = sample["name"]
            name = name if sample["kind"] != "counter" or name.endswith("_total") else f"{name}_total"
            found.setdefault(name, []).append(process)
    documented = {name: rest.split("|")[0].strip() for name, rest in rows("operating.md", "Metrics").items()}
    assert documented == {name: ", ".join(processes) for name, processes in found.items()}


def test_the_least_rights_are_what_the_code_needs() -> None:
    """The rule for a Redis user names each command and key once, and the queue's are named apart."""
    told = section("operating.md", "Redis")
    rule = re.search(r"^ACL SETUSER .*$", told, re.MULTILINE)
    assert rule is not None
    needed = {str(name).lower() for name, *_ in (*LEDGER_CALLS, *QUEUE_CALLS)} | set(OUTSIDE_SCRIPTS)
    assert sorted(re.findall(r"\+(\S+)", rule[0])) == sorted(needed)
    assert re.findall(r"~(\S+)", rule[0]) == ["{relay*", "relay*"]
    queue = told.partition("has a user of its own")[2].partition(";")[0]
    needed = {str(name).lower() for name, *_ in QUEUE_CALLS} | set(OUTSIDE_SCRIPTS[:4])
    assert set(re.findall(r"`([a-z|]+)`", queue)) == needed
    alone = needed - {str(name).lower() for name, *_ in LEDGER_CALLS} - {*OUTSIDE_SCRIPTS[:3], *OUTSIDE_SCRIPTS[4:]}
    assert alone == {"blpop", "rpush"}


def test_the_problem_shown_is_what_the_console_answers(relay_up: RelayUp) -> None:
    """docs/api.md shows a refusal word for word; titles differ between versions of Python."""
    shown = json.loads(re.findall(r"```json\n(.*?)```", (DOCS / "api.md").read_text(), re.DOTALL)[0])
    body = {"merchant": "default", "url": "https://shop.example", "types": ["payment.payed"], "paylod": "thin"}
    answer = relay_up.api.post("/v1/endpoints", json=body).json()
    assert {**answer, "title": ""} == {**shown, "title": ""}


def test_every_page_of_the_console_is_documented_and_opens(relay_up: RelayUp) -> None:
    """docs/console.md names what the navigation has, and each opens for whoever signs in."""
    named = re.findall(r"^\| `(/\w*)` \|", (DOCS / "console.md").read_text(), re.MULTILINE)
    with httpx.Client(base_url=relay_up.urls["console"], timeout=PATIENCE, follow_redirects=True) as browser:
        (csrf,) = re.findall(r'name="csrf" value="([^"]+)"', browser.get("/sign-in").text)[:1]
        home = browser.post("/sign-in", data={"csrf": csrf, "to": "/", "token": relay_up.token})
        navigation = re.findall(r'href="(/\w*)"', re.findall(r"<nav.*?</nav>", home.text, re.DOTALL)[0])
        assert sorted(named) == sorted(navigation)
        assert [browser.get(path).status_code for path in named] == [200] * len(named)


def test_made_parts_are_up_to_date() -> None:
    """`python -m scripts.reference` would change nothing."""
    assert [page.name for page in outdated()] == [], "run python -m scripts.reference"


def test_every_type_and_status_is_documented() -> None:
    """docs/events.md has each, and nothing that is none."""
    text = (DOCS / "events.md").read_text()
    assert set(MEANINGS) == {*PAYMENT_TYPES, *ENDPOINT_TYPES, TEST_TYPE}
    assert re.findall(r"^### (payment\.\w+)$", text, re.MULTILINE) == list(PAYMENT_TYPES)
    told = next(line for line in text.splitlines() if line.startswith("`status` is one of "))
    assert re.findall(r"`(\w+)`", told)[1:] == [status.value for status in Status]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Files that are named are there, and so are headings."""
    broken = []
    for found in _LINK.finditer(page.read_text()):
        target, _, anchor = found["target"].partition("#")
        if target.startswith(("https://", "http://")):
            continue
        place = (page.parent / target).resolve() if target else page
        if not place.exists() or (anchor and anchor not in anchors(place.read_text())):
            broken.append(found["target"])
    assert broken == []


def test_every_page_is_found_from_the_readme() -> None:
    """No page of docs/ stands alone."""
    index = (ROOT / "README.md").read_text()
    pages = {page.name for page in DOCS.glob("*.md")}
    assert pages
    assert [name for name in sorted(pages) if f"docs/{name})" not in index] == []


def test_decisions_are_listed() -> None:
    """Each record is in the index, under its own title."""
    index = (DOCS / "decisions" / "README.md").read_text()
    records = sorted((DOCS / "decisions").glob("0*.md"))
    assert records
    for record in records:
        title = re.sub(r"^# ([0-9]+\. )?", "", record.read_text().splitlines()[0])
        assert f"{int(record.name[:4])}. [{title}]({record.name})" in index


def test_pages_name_no_machine() -> None:
    """Nothing of the machine that they were written on."""
    assert [page.name for page in PAGES if _PATHS.search(page.read_text())] == []
