"""Neutralise the control tokens of chat templates in text from documents, tools and servers.

A chat model's messages are delimited by control tokens, and a server's tokenizer recognises them anywhere in a text: a
document that contains `<|im_end|>` could close its own message and speak as the system. The first character of
anything that looks like a control token is therefore replaced by a look-alike. The replacement is one character for
one, so that offsets into a page stay offsets into the prompt, and readable, so that a model can still quote the page.
"""

import re

_LOOK_ALIKE = {"<": "‹", "[": "［"}
_ORIGINAL = str.maketrans({look_alike: original for original, look_alike in _LOOK_ALIKE.items()})

_SURROGATES = re.compile("[\ud800-\udfff]")

_NAMES = (
    # Qwen: tool calls and reasoning
    "tool_call|tool_response|tools|think",
    # Llama 2 and Mistral; SentencePiece's own
    "s|unk|pad|bos|eos|mask",
    # Gemma, DeepSeek
    "start_of_turn|end_of_turn|start_of_image|end_of_image",
    # Ours: a document must not end its own frame in the prompt.
    "(?i:documents?)",
    # StarCoder's and SmolLM's
    r"repo_name|reponame|file_sep|filename|gh_stars|issue_(?:start|comment|closed)|empty_output"
    r"|jupyter_(?:start|text|code|output|script)",
)

_CONTROL = re.compile(
    r"<(?=[|｜][^<>|｜\s]{1,64}[|｜]>)"  # <|im_start|>, <|endoftext|>, DeepSeek's fullwidth bars
    rf"|<(?=(?:/\s*)?(?:{'|'.join(_NAMES)})[\s/>])"
    r"|<(?=</?SYS>>)|(?<=<)<(?=/?SYS>>)"
    r"|\[(?=/?(?:INST|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS|/AVAILABLE_TOOLS)\])"
    # Our own page marks: a line that is only a mark would attribute what follows to another page. Not "[12:30]".
    r"|^\[(?=(?:[\w-]{0,40}[^\W\d_][\w-]{0,40}):\d{1,9}\][^\S\n]*$)",
    re.MULTILINE,
)


def sanitize(text: str) -> str:
    """Make text of unknown origin safe to put into a prompt: `neutralise`, then `encodable`. The length stays."""
    return encodable(neutralise(text)[0])


def neutralise(text: str) -> tuple[str, int]:
    """Replace every control token in `text`; return the new text and the number of replacements.

    The result has the length of `text` and contains no control token of the chat templates of Qwen, Llama, Mistral,
    Gemma, DeepSeek or SmolLM.
    """
    return _CONTROL.subn(lambda match: _LOOK_ALIKE[match.group()], text)


def encodable(text: str) -> str:
    """Replace unpaired surrogates, which UTF-8 cannot encode, by U+FFFD. File names that are not UTF-8 contain them."""
    return _SURROGATES.sub("\ufffd", text)


def restore(text: str) -> str:
    """Undo `neutralise`, to compare what a model wrote with the text of a page."""
    return text.translate(_ORIGINAL)
