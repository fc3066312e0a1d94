"""The broker's URL, its certificate, and the password, which stands nowhere."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import M3erError
from edge.publish.mqtt import Mqtt
from edge.publish.mqtt_broker import CA, PASSWORD, PASSWORD_FILE, USER, read_url
from tests import made_mqtt
from tests.made_mqtt import publisher, reading, real
from tests.real import mosquitto
from tests.real.mosquitto import Mosquitto
from tests.test_publish import LABELS

broker, mqtt_secrets = made_mqtt.broker, made_mqtt.mqtt_secrets
pytestmark = pytest.mark.usefixtures("mqtt_secrets")


_SECRET = mosquitto.PASSWORD


@real
@pytest.mark.parametrize(
    ("certificate", "trusted", "says"),
    [
        ("good", True, None),
        ("good", False, f"not trusted.*set {CA}"),
        ("expired", True, "has expired.*clock"),
        ("other name", True, "another name than localhost"),
    ],
)
def test_tls(
    certificate: mosquitto.Certificate, trusted: bool, says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Mosquitto(certificate) as broker:
        broker.start()
        if trusted:
            monkeypatch.setenv(CA, str(broker.authority))
        robot = publisher(broker, "mqtts")
        if says is None:
            robot.publish(reading(0))
            assert "(d0, q1, r0, m3, 'm3er/robbie/reading'" in broker.log
            robot.close()
        else:
            with pytest.raises(M3erError, match=f"mqtts://localhost:{broker.port}: .*{says}"):
                robot.publish(reading(0))
            assert "CONNECT from" not in broker.log


@real
def test_tls_where_there_is_none_and_none_where_there_is(broker: Mosquitto) -> None:
    with pytest.raises(M3erError, match=r"no TLS there.*mqtt://"):
        publisher(broker, "mqtts").publish(reading(0))
    with Mosquitto("good") as secret:
        secret.start()
        with pytest.raises(M3erError, match="mqtts://"):
            publisher(secret).publish(reading(0))


@real
def test_the_password(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    robot = publisher(broker)
    monkeypatch.setenv(PASSWORD, "wr0ng-secret")
    with pytest.raises(M3erError, match=f"wrong user or password.*user robot.*{PASSWORD}") as error:
        robot.publish(reading(0))
    assert "wr0ng-secret" not in str(error.value)
    monkeypatch.delenv(PASSWORD)
    file = tmp_path / "password"
    file.write_text(f"{_SECRET}\n")
    file.chmod(0o600)
    monkeypatch.setenv(PASSWORD_FILE, str(file))
    robot.publish(reading(0))  # it is read anew for each connection
    robot.close()
    monkeypatch.delenv(PASSWORD_FILE)
    monkeypatch.delenv(USER)
    with pytest.raises(M3erError, match=f"wants a user; set {USER}"):
        publisher(broker).publish(reading(0))


def test_a_password_that_others_can_read_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(PASSWORD)
    file = tmp_path / "password"
    file.write_text(_SECRET)
    monkeypatch.setenv(PASSWORD_FILE, str(file))
    file.chmod(0o640)
    Mqtt("mqtt://localhost", LABELS)
    Mqtt("mqtts://192.0.2.1", LABELS)
    assert not caplog.records
    file.chmod(0o644)
    Mqtt("mqtts://192.0.2.1", LABELS)
    assert [str(file) in record.getMessage() for record in caplog.records] == [True]
    file.chmod(0o600)
    Mqtt("mqtt://192.0.2.1", LABELS)
    assert "in the open; use mqtts://" in caplog.records[-1].getMessage()
    assert _SECRET not in caplog.text


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mqtt://", "not a broker's address"),
        ("mqtt:///m3er", "not a broker's address"),
        ("mqtt://host?x=1", "not a broker's address"),
        ("mqtt://host:99999", "(?i)port"),
        ("mqtt://host:port", "(?i)port"),
        ("mqtt://host/a/+/b", "no beginning of topics"),
        ("mqtt://host/a//b", "no beginning of topics"),
        ("mqtt://host/%24SYS", "no beginning of topics"),
        ("http://host", "neither mqtt:// nor mqtts://"),
        (f"mqtt://{'x' * 70}", "write mqtt://"),
        (f"mqtt://robot:{_SECRET}@host", f"password in a URL.*{PASSWORD}.*{PASSWORD_FILE}"),
        (f"mqtt://robot:{_SECRET}/x@host", "password in a URL"),
        (f"mqtt://robot:{_SECRET}#x@host:1883/m3er", "password in a URL"),
        (f"http://robot:{_SECRET}@host", "neither"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, says: str) -> None:
    with pytest.raises(M3erError, match=says) as error:
        Mqtt(url, LABELS)
    assert _SECRET not in str(error.value)


def test_what_a_url_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_url("mqtt://host").port == 1883
    made = read_url("mqtts://some%40one@[::1]/a/b%20/".replace("%20", ""))
    assert (made.port, made.host, made.user, made.prefix) == (8883, "::1", "some@one", "a/b")
    assert made.name == "mqtts://[::1]:8883"
    assert read_url("mqtt://host").user == mosquitto.USER
    monkeypatch.delenv(USER)
    assert read_url("mqtt://host").user is None
    with pytest.raises(M3erError, match=USER):
        Mqtt("mqtt://host", LABELS)
    monkeypatch.setenv(PASSWORD_FILE, "/nowhere/password")
    with pytest.raises(M3erError, match="remove one"):
        Mqtt("mqtt://robot@host", LABELS)
    monkeypatch.delenv(PASSWORD)
    with pytest.raises(M3erError, match=r"/nowhere/password: .*No such file"):
        Mqtt("mqtt://robot@host", LABELS)


@given(st.text(max_size=30))
def test_any_text_as_url_is_a_broker_or_a_clear_refusal(text: str) -> None:
    for url in (text, f"mqtt://{text}", f"mqtts://robot@{text}"):
        try:
            made = read_url(url)
        except M3erError:
            continue
        assert made.host and 0 < made.port < 65_536 and not {"+", "#", " "} & set(made.prefix)


def test_a_file_of_authorities_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "authority.crt"
    monkeypatch.setenv(CA, str(file))
    Mqtt("mqtt://localhost", LABELS)  # needs none
    with pytest.raises(M3erError, match=f"authority.crt: No such file.*{CA}"):
        Mqtt("mqtts://localhost", LABELS)
    file.write_text("nothing\n")
    with pytest.raises(M3erError, match=r"authority.crt: not a PEM file"):
        Mqtt("mqtts://localhost", LABELS)
