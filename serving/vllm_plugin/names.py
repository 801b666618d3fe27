"""Names that several of the launcher, the server and its workers use. Imports nothing."""

SETTINGS = "longread"
"""Our key in vLLM's --additional-config."""
METRICS_FOLDER = "LONGREAD_METRICS_DIR"
"""The environment variable with the folder of the workers' counters."""
LOGGER = "vllm.longread"
"""vLLM shows what its own loggers say, those below "vllm"."""
