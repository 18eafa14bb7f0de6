"""A provider that talks to a scripted Cobalt."""

import os
from pathlib import Path

import pytest

from tests.cobalt.conversation import SUBMITTED, Conversation


@pytest.fixture
def cobalt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Conversation:
    conversation = Conversation(tmp_path / "cobalt")
    monkeypatch.setenv("PATH", f"{conversation.folder / 'bin'}:{os.environ['PATH']}")
    conversation.say("qsub", SUBMITTED)
    return conversation
