"""vLLM as a server process: options, command line, start, registry and log."""
