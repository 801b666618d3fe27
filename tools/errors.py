"""What a user must change before a tool can be had."""


class ToolUnavailable(Exception):
    """A tool, or a server of tools, that cannot be used here. One line: what is wrong, and what to do about it."""
