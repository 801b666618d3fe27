"""The tool `python`: runs Python code of a model in a sandbox."""
