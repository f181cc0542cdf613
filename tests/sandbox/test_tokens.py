"""The sandbox's tokens follow i'mport's rules."""

from __future__ import annotations

from tests.sandbox.conftest import MovableClock, SandboxClient


async def test_half_an_hour(iamport: SandboxClient, clock: MovableClock) -> None:
    """A token lives 30 minutes and is then worth nothing."""
    given = (await iamport.get_token())["response"]
    assert given["expired_at"] - given["now"] == 1800
    assert (await iamport.batch("a"))[0] == 404
    clock.ahead = 1801
    assert (await iamport.batch("a"))[0] == 401


async def test_asking_again_gives_the_same(iamport: SandboxClient, clock: MovableClock) -> None:
    """Before its end the same token comes back, with the same end."""
    first = (await iamport.get_token())["response"]
    clock.ahead = 1700
    again = (await iamport.get_token())["response"]
    assert (again["access_token"], again["expired_at"]) == (first["access_token"], first["expired_at"])


async def test_the_last_minute_adds_five(iamport: SandboxClient, clock: MovableClock) -> None:
    """Within its last minute the same token comes back with five more minutes."""
    first = (await iamport.get_token())["response"]
    clock.ahead = 1770
    again = (await iamport.get_token())["response"]
    assert (again["access_token"], again["expired_at"]) == (first["access_token"], first["expired_at"] + 300)


async def test_after_its_end_a_new_one(iamport: SandboxClient, clock: MovableClock) -> None:
    """After the end another token is given."""
    first = (await iamport.get_token())["response"]
    clock.ahead = 1801
    assert (await iamport.get_token())["response"]["access_token"] != first["access_token"]


async def test_wrong_credentials(iamport: SandboxClient) -> None:
    """Wrong credentials are 401, and so is a call without a token."""
    answer = await iamport.http.post("/users/getToken", json={"imp_key": "sandbox_key", "imp_secret": "x"})
    assert (answer.status_code, answer.json()["response"]) == (401, None)
    assert (await iamport.http.get("/payments/a")).status_code == 401


async def test_bearer_is_the_documented_form(iamport: SandboxClient) -> None:
    """A token is taken with `Bearer` before it, in any case, and alone; nothing else is."""
    token = (await iamport.get_token())["response"]["access_token"]
    taken = (f"Bearer {token}", f"bearer  {token}", token)
    turned_away = (f"Basic {token}", f"Bearer x{token}")
    for text, status in (*((text, 404) for text in taken), *((text, 401) for text in turned_away)):
        assert (await iamport.http.get("/payments/a", headers={"authorization": text})).status_code == status


async def test_a_form_will_do(iamport: SandboxClient) -> None:
    """Credentials may come as a form, too."""
    answer = await iamport.http.post("/users/getToken", data={"imp_key": "sandbox_key", "imp_secret": "sandbox_secret"})
    assert answer.json()["code"] == 0


async def test_accounts_see_their_own(iamport: SandboxClient) -> None:
    """Two merchants with different credentials see their own payments and those without an account."""
    await iamport.control("POST", "/accounts", {"imp_key": "other", "imp_secret": "other_secret"})
    await iamport.make(imp_uid="mine", imp_key="sandbox_key")
    await iamport.make(imp_uid="theirs", imp_key="other")
    await iamport.make(imp_uid="both")
    status, answer = await iamport.batch("mine", "theirs", "both")
    assert (status, [row["imp_uid"] for row in answer["response"]]) == (207, ["mine", "both"])
    await iamport.get_token("other", "other_secret")
    assert (await iamport.get("/payments/mine"))[0] == 404
