"""The environment: names that do not exist, values that stand in files, and what other programs put there."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.settings import Settings
from schemas.errors import BadSetting


def refusal(**environ: str) -> str:
    """The line that this environment gives."""
    with pytest.raises(BadSetting) as caught:
        Settings.load(environ)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("RELAY_RETENTON", "RELAY_RETENTION"),
        ("RELAY_ALLOWED_IP", "RELAY_ALLOWED_IPS"),
        ("RELAY_API_TOKENS", "RELAY_API_TOKEN"),
        ("RELAY_API_TOKEN_FIL", "RELAY_API_TOKEN_FILE"),
    ],
)
def test_a_typing_mistake_is_refused_with_the_nearest_name(typed: str, meant: str) -> None:
    """It would have no effect, and that would go unnoticed."""
    assert refusal(**{typed: "1"}) == f"{typed} is not a known setting: did you mean {meant}?"


def test_an_unknown_name_is_refused_without_its_value() -> None:
    """The value may be a secret."""
    assert "hunter2" not in refusal(RELAY_SECRET_WORD="hunter2")


def test_names_are_checked_whatever_is_read() -> None:
    """The command line reads three settings, and still finds the mistake in a fourth."""
    with pytest.raises(BadSetting, match="RELAY_RETENTION"):
        Settings.load({"RELAY_RETENTON": "1d"}, only=("RELAY_CONSOLE_URL",))


def test_what_is_not_read_may_be_wrong() -> None:
    """A command that needs no Redis does not stop for a wrong address of one."""
    settings = Settings.load({"REDIS_URL": "nonsense", "PORT": "9"}, only=("PORT",))
    assert (settings.port, settings.redis_url) == (9, "redis://127.0.0.1:6379/0")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RELAY_SERVICE_HOST", "10.0.0.1"),
        ("RELAY_SERVICE_PORT", "8001"),
        ("RELAY_SERVICE_PORT_HTTP", "8001"),
        ("RELAY_PORT", "tcp://10.0.0.1:8001"),
        ("RELAY_PORT_8001_TCP", "tcp://10.0.0.1:8001"),
        ("RELAY_PORT_8001_TCP_ADDR", "10.0.0.1"),
        ("RELAY_CONSOLE_SERVICE_HOST", "10.0.0.1"),
        ("RELAY_ENDPOINT_SECRET", "whsec_"),
    ],
)
def test_what_others_put_there_is_no_mistake(name: str, value: str) -> None:
    """Kubernetes describes a service called `relay` to its pods; example receivers read a name of their own."""
    Settings.load({name: value})


@pytest.mark.parametrize("name", [str(field.alias) for field in Settings.model_fields.values()])
def test_every_setting_can_stand_in_a_file(name: str, tmp_path: Path) -> None:
    """A wrong value shows that the file's content is read as that variable's."""
    path = tmp_path / "value"
    path.write_text("no value of any setting\n")
    free_text = ("IMP_KEY", "IMP_SECRET", "HOST", "RELAY_SPOOL_DIR")
    if name in free_text:
        assert Settings.load({name + "_FILE": str(path)}) == Settings.load({name: "no value of any setting"})
    else:
        assert refusal(**{name + "_FILE": str(path)}) == refusal(**{name: "no value of any setting"})


def test_a_file_is_read_without_the_newline_at_its_end(tmp_path: Path) -> None:
    """Editors and `echo` leave one."""
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    secret = Settings.load({"IMP_SECRET_FILE": str(path)}).imp_secret
    assert secret is not None
    assert secret.get_secret_value() == "s3cret"


def test_a_value_and_a_file_at_once_are_refused(tmp_path: Path) -> None:
    """Which of the two was meant cannot be known; a blank one is not given."""
    path = tmp_path / "url"
    path.write_text("redis://db/0")
    line = refusal(REDIS_URL="redis://other/0", REDIS_URL_FILE=str(path))
    assert line == "REDIS_URL and REDIS_URL_FILE are both set: keep one of them"
    assert Settings.load({"REDIS_URL": " ", "REDIS_URL_FILE": str(path)}).redis_url == "redis://db/0"


def test_a_file_that_holds_no_setting_is_one_line_with_its_path(tmp_path: Path) -> None:
    """The line names variable and path and shows nothing of what the file holds."""
    empty, binary, large = tmp_path / "empty", tmp_path / "binary", tmp_path / "large"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe hunter2")
    large.write_text("hunter2" * 20_000)
    absent = tmp_path / "absent"
    assert refusal(IMP_SECRET_FILE=str(absent)) == f"IMP_SECRET_FILE={absent} cannot be read: No such file or directory"
    assert refusal(IMP_SECRET_FILE=str(tmp_path)) == f"IMP_SECRET_FILE={tmp_path} cannot be read: Is a directory"
    assert refusal(IMP_SECRET_FILE=str(empty)) == f"IMP_SECRET_FILE={empty} is empty"
    assert refusal(IMP_SECRET_FILE=str(binary)) == f"IMP_SECRET_FILE={binary} is not text in UTF-8"
    assert refusal(IMP_SECRET_FILE=str(large)) == f"IMP_SECRET_FILE={large} is too large: at most 64 KiB are read"


@pytest.mark.parametrize(
    ("name", "given", "shown"),
    [
        ("RELAY_API_TOKEN", "hunter2-secret", "***"),
        ("IMP_KEY", "hunter2", "***"),
        ("IMP_SECRET", "secrets/imp", "secrets/imp"),
        ("RELAY_API_TOKEN", "/run/secrets/token", "/run/secrets/token"),
        ("REDIS_URL", "redis://user:hunter2@db/0", "***@db/0"),
        ("RELAY_IAMPORT_PROXY", "http://user:hunter2", "http://***"),
        ("REDIS_URL", "redis_url", "redis_url"),
    ],
)
def test_a_secret_in_place_of_a_path_is_not_shown(name: str, given: str, shown: str) -> None:
    """Whoever writes `…_FILE` for a value by mistake must not find it in the log."""
    assert refusal(**{name + "_FILE": given}) == f"{name}_FILE={shown} cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("name", "given", "shown"),
    [
        ("REDIS_URL", "redis://user:hunter2", "redis://***"),
        ("REDIS_URL", "redis://:hunter2/0", "redis://***"),
        ("REDIS_URL", "redis://user:1234hunter2", "redis://***"),
        ("RELAY_QUEUE_URL", "redis://user:hun/ter:2?db=x", "redis://***"),
        ("RELAY_IAMPORT_PROXY", "http://user:hunter2", "http://***"),
        ("RELAY_IAMPORT_PROXY", "http://proxy:3128/path", "http://proxy:3128/path"),
        ("RELAY_IAMPORT_PROXY", "http://[::1]:0", "http://[::1]:0"),
    ],
)
def test_a_password_in_an_address_without_its_host_is_not_shown(name: str, given: str, shown: str) -> None:
    """What stands where host and port should be is shown only where it can be these."""
    assert refusal(**{name: given}).startswith(f"{name}={shown} is not usable")


@pytest.mark.parametrize("quoted", ['"1234"', "'1234'"])
def test_a_value_in_quotes_is_refused(quoted: str, tmp_path: Path) -> None:
    """`docker run --env-file` hands quotes on: a secret with them is wrong, and nothing would say why."""
    with pytest.raises(BadSetting, match="IMP_SECRET is in quotes") as raised:
        Settings.load({"IMP_SECRET": quoted})
    assert "1234" not in str(raised.value)
    path = tmp_path / "secret"
    path.write_text(f"{quoted}\n")
    with pytest.raises(BadSetting, match="IMP_SECRET is in quotes"):
        Settings.load({"IMP_SECRET_FILE": str(path)})
    assert Settings.load({"IMP_KEY": '"'}).imp_key == '"'


def test_a_byte_order_mark_is_no_part_of_a_secret(tmp_path: Path) -> None:
    """Editors on Windows write one at the beginning of a file, and no one sees it."""
    path = tmp_path / "key"
    path.write_bytes(b"\xef\xbb\xbf1234\r\n")
    assert Settings.load({"IMP_KEY_FILE": str(path)}).imp_key == "1234"


@pytest.mark.parametrize("text", ["12\n34", "12\0", "12\udcff"])
def test_a_credential_is_one_line_of_printable_text(text: str) -> None:
    """Whatever else it is came from a wrong file or encoding, and would fail much later, at i'mport."""
    for name in ("IMP_KEY", "IMP_SECRET"):
        with pytest.raises(BadSetting, match=f"{name}=.* one line of printable text") as raised:
            Settings.load({name: text})
        assert "34" not in str(raised.value)
