"""Whether there is a heartbeat, from what the environment has."""

import pytest

from scheduler.heartbeat.settings import Incomplete, Settings, settings

KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hunter2"}
ALL = {"MOC_JOBS_NAME": "moc-testnet", "AWS_DEFAULT_REGION": "us-west-1", **KEYS}


def test_all_that_the_jobs_were_always_given_makes_one() -> None:
    assert settings(ALL, 60) == Settings("moc-testnet", "us-west-1", 60, KEYS)


def test_without_keys_a_role_gives_them() -> None:
    """AWS_REGION is what a task of ECS has by itself."""
    found = settings({"MOC_JOBS_NAME": "moc-testnet", "AWS_REGION": "eu-west-1"}, 60)
    assert found == Settings("moc-testnet", "eu-west-1", 60, {})


def test_keys_that_expire_come_with_their_token() -> None:
    found = settings({**ALL, "AWS_SESSION_TOKEN": "token"}, 60)
    assert found is not None
    assert found.credentials == {**KEYS, "AWS_SESSION_TOKEN": "token"}


@pytest.mark.parametrize("name", [{}, {"MOC_JOBS_NAME": " "}])
def test_without_a_name_none_is_wanted(name: dict[str, str]) -> None:
    assert settings({"AWS_DEFAULT_REGION": "us-west-1", **KEYS, **name}, 60) is None


@pytest.mark.parametrize("lacking", ["AWS_DEFAULT_REGION", *KEYS])
def test_one_that_is_wanted_and_cannot_be_sent_names_what_lacks(lacking: str) -> None:
    given = {name: value for name, value in ALL.items() if name != lacking}
    with pytest.raises(Incomplete, match=lacking) as caught:
        settings(given, 60)
    assert "hunter2" not in str(caught.value)


def test_no_secret_is_shown_with_them() -> None:
    assert "hunter2" not in repr(settings(ALL, 60))
