"""What URLs of a Redis mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest

from runtime.redis_url import RedisUrl, RedisUrlError, parse
from runtime.settings import Settings
from schemas.errors import BadSetting

MEANT = {
    "redis://h": RedisUrl("single", (("h", 6379),)),
    "redis://h:6380/3": RedisUrl("single", (("h", 6380),), database=3),
    "redis://h?db=3": RedisUrl("single", (("h", 6379),), database=3),
    "redis://h/3?db=3": RedisUrl("single", (("h", 6379),), database=3),
    "redis://[::1]:6380/1": RedisUrl("single", (("::1", 6380),), database=1),
    "redis://[fe80::1%25eth0]": RedisUrl("single", (("fe80::1%eth0", 6379),)),
    "redis://u:p%40:@h": RedisUrl("single", (("h", 6379),), options={"username": "u", "password": "p@:"}),
    "redis://:p@ss@h": RedisUrl("single", (("h", 6379),), options={"password": "p@ss"}),
    "redis://u@h": RedisUrl("single", (("h", 6379),), options={"username": "u"}),
    "redis://h?username=u&password=p": RedisUrl(
        "single", (("h", 6379),), options={"username": "u", "password": "p"}
    ),
    "redis://h?socket_timeout=0.5": RedisUrl("single", (("h", 6379),), options={"socket_timeout": 0.5}),
    "rediss://h?ssl_cert_reqs=NONE&ssl_check_hostname=false": RedisUrl(
        "single", (("h", 6379),), tls=True, sentinel_tls=True,
        options={"ssl_cert_reqs": "none", "ssl_check_hostname": False},
    ),
    "unix:///run/redis.sock?db=2": RedisUrl("socket", path="/run/redis.sock", database=2),
    "unix://:p@/run/redis%20one.sock": RedisUrl("socket", path="/run/redis one.sock", options={"password": "p"}),
    "redis+sentinel://a,b:1/s": RedisUrl("sentinel", (("a", 26379), ("b", 1)), service="s"),
    "redis+sentinel://[::1]:1,[::2]/s/4": RedisUrl("sentinel", (("::1", 1), ("::2", 26379)), service="s", database=4),
    "redis+sentinel://u:p@a/s/?sentinel_username=v&sentinel_password=q": RedisUrl(
        "sentinel", (("a", 26379),), service="s", options={"username": "u", "password": "p"},
        sentinel_options={"username": "v", "password": "q"},
    ),
    "redis+sentinel://a/s?ssl=true&ssl_ca_certs=/ca": RedisUrl(
        "sentinel", (("a", 26379),), service="s", tls=True, options={"ssl_ca_certs": "/ca"}
    ),
    "rediss+sentinel://a/s?ssl_ca_certs=%2Fca": RedisUrl(
        "sentinel", (("a", 26379),), service="s", tls=True, sentinel_tls=True, options={"ssl_ca_certs": "/ca"},
        sentinel_options={"ssl_ca_certs": "/ca"},
    ),
    "redis+cluster://a:1,b": RedisUrl("cluster", (("a", 1), ("b", 6379))),
    "rediss+cluster://:p@a/0": RedisUrl(
        "cluster", (("a", 6379),), tls=True, sentinel_tls=True, options={"password": "p"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("url", MEANT)
def test_a_url_means_one_thing(url: str) -> None:
    """Hosts, database, user, password and TLS are all in the URL."""
    assert parse(url) == MEANT[url]


MEANINGLESS = {
    "": "must begin with one of",
    "http://h": "must begin with one of",
    "redis:h": "must begin with one of",
    "redis://": "host is missing",
    "redis:///0": "host is missing",
    "redis://h h": "percent-encoded",
    "redis://:pa#ss@h": "percent-encoded",
    "redis://::1/0": "brackets",
    "redis://[h]/0": "IPv6 address",
    "redis://h:0": "port",
    "redis://h:99999": "port",
    "redis://h:x": "port",
    "redis://h/zero": "database",
    "redis://h/1/2": "database",
    "redis://h/1?db=2": "database is given twice",
    "redis://h?db=x": "db takes a number",
    "redis://h?db=1&db=1": "db is given twice",
    "redis://h?db=": "db takes a number",
    "redis://a,b/0": "several hosts",
    "redis://u:p@h?password=q": "given twice",
    "redis://h?socket_timeout=0": "socket_timeout takes seconds",
    "redis://h?socket_timeout=nan": "socket_timeout takes seconds",
    "redis://h?ssl_ca_certs=/ca": "needs TLS",
    "rediss://h?ssl_ca_cert=/ca": "did you mean ssl_ca_certs?",
    "rediss://h?ssl_keyfile=/key": "needs ssl_certfile",
    "rediss://h?ssl_cert_reqs=maybe": "ssl_cert_reqs takes",
    "rediss://h?colour=blue": "it has an unknown option",
    "redis://h?ssl=true": "unknown",
    "redis://h?sentinel_password=x": "unknown",
    "unix://run/redis.sock": "absolute path",
    "unix:///": "absolute path",
    "redis+sentinel://h:1": "service is missing",
    "redis+sentinel://h:1/": "service is missing",
    "redis+sentinel://h:1,/s": "host is missing",
    "redis+sentinel://a/s?ssl_ca_certs=/ca": "needs TLS",
    "redis+cluster://a/1": "database 0 only",
    "redis+cluster://a?db=1": "database 0 only",
    "redis+cluster://": "host is missing",
}


@pytest.mark.parametrize("url", MEANINGLESS)
def test_what_a_url_cannot_mean_is_said(url: str) -> None:
    """In words, without the URL."""
    with pytest.raises(RedisUrlError, match=MEANINGLESS[url].replace("?", r"\?")):
        parse(url)


@pytest.mark.parametrize("variable", ["REDIS_URL", "RELAY_QUEUE_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "rediss+sentinel://u:hidden@h:1/s?sentinel_password=hidden&ssl_ca_cert=/ca",
        "rediss://h?password=hid&hidden&db=1",
        "redis://h?hidden=1",
        "redis+sentinel://h/s?sentinel_password=h&hidden",
    ],
)
def test_it_is_one_line_without_a_secret(variable: str, url: str) -> None:
    """Variable, what is wrong, and what it takes."""
    with pytest.raises(BadSetting) as caught:
        Settings.load({variable: url})
    text = str(caught.value)
    assert text.startswith(f"{variable}=")
    assert ("(it has an unknown option" in text, "redis+sentinel://" in text, "\n" in text) == (True, True, False)
    assert "hidden" not in text.replace("?hidden=1", "")


def test_the_queue_of_a_cluster_has_to_be_named() -> None:
    """A Cluster has one database and cannot have Dramatiq's queue: nothing can be derived."""
    cluster = "redis+cluster://a:1,b:2"
    with pytest.raises(BadSetting, match="RELAY_QUEUE_URL is not set"):
        _ = Settings.load({"REDIS_URL": cluster}).queue_url
    given = Settings.load({"REDIS_URL": cluster, "RELAY_QUEUE_URL": "redis://q"})
    assert (given.redis_url, given.queue_url) == (cluster, "redis://q")
    with pytest.raises(BadSetting, match=r"RELAY_QUEUE_URL=.*cannot be on a Redis Cluster"):
        Settings.load({"RELAY_QUEUE_URL": cluster})


@pytest.mark.parametrize(
    ("ledger", "queue"),
    [
        ("redis+sentinel://[::1]:1,[::2]:2/s", "redis+sentinel://[::1]:1,[::2]:2/s/1"),
        (
            "rediss+sentinel://u:p@a/s/2?ssl_ca_certs=/ca.pem&sentinel_password=a%26b",
            "rediss+sentinel://u:p@a/s/3?ssl_ca_certs=%2Fca.pem&sentinel_password=a%26b",
        ),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/1"),
    ],
)
def test_the_queue_is_reached_the_same_way(ledger: str, queue: str) -> None:
    """With the same passwords and files, at the next database."""
    assert Settings.load({"REDIS_URL": ledger}).queue_url == queue
    assert parse(queue).options == parse(ledger).options
