"""The embedded engine as a Qwen-Agent chat model, with the real model."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import passage
from qwen_agent.agents import Assistant, FnCallAgent
from qwen_agent.agents.write_from_scratch import WriteFromScratch  # noqa: F401  an agent of theirs, for its import
from qwen_agent.llm import get_chat_model
from qwen_agent.llm.schema import Message
from qwen_agent.tools.base import BaseTool

from longread.agent.errors import ConfigError
from longread.agent.llm import embedded
from longread.agent.llm.embedded import EmbeddedChat
from longread.serving.errors import ModelNotFound, PromptTooLong
from longread.serving.events import Prefill, Usage

SHORT = {"max_tokens": 12, "temperature": 0.0}
QUESTION = [Message("user", "What is the capital of France? Answer in one sentence.")]
