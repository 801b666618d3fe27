"""Control tokens inside documents, made harmless.

A chat model's messages are delimited by control tokens, and a server's tokenizer reads them wherever they stand: a
document that contains `<|im_end|>` could close its own message and speak as the system. So the first character of
anything that looks like a control token is replaced by its look-alike. One character for one, so that offsets into a
page stay offsets into the prompt; readable, so that a model can still say what the page says.
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
    # ours: a document may not end its own frame in the prompt
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
    # Our own page marks: a line that is nothing but one would give what follows to another page. Not "[12:30]".
    r"|^\[(?=(?:[\w-]{0,40}[^\W\d_][\w-]{0,40}):\d{1,9}\][^\S\n]*$)",
    re.MULTILINE,
)


def neutralise(text: str) -> tuple[str, int]:
    """`text` with every control token made harmless, and how many there were.

    The result has the length of `text`, and no control token of a Qwen, Llama, Mistral, Gemma, DeepSeek or SmolLM
    chat template.
    """
    return _CONTROL.subn(lambda match: _LOOK_ALIKE[match.group()], text)


def encodable(text: str) -> str:
    """`text` with U+FFFD for halves of characters, which nothing can encode: a file name that is not UTF-8 has them."""
    return _SURROGATES.sub("\ufffd", text)


def restore(text: str) -> str:
    """Undo `neutralise`, for comparing what a model wrote with what a page says."""
    return text.translate(_ORIGINAL)
