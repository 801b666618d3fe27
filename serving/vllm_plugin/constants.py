"""Names shared by the launcher, the server and its workers. Imports nothing."""

SETTINGS = "longread"
"""longread's key in vLLM's --additional-config."""
METRICS_FOLDER = "LONGREAD_METRICS_DIR"
"""The environment variable that names the folder of the workers' counters."""
LOGGER = "vllm.longread"
"""Below "vllm", since vLLM shows the messages of its own loggers only."""
STAGE = "longread.serving.vllm_plugin.worker.Stage"
"""The worker extension of an engine with pipeline stages."""
SCHEDULERS = tuple(f"longread.serving.vllm_plugin.scheduler.{kind}EqualTimeScheduler" for kind in ("", "Async"))
"""The schedulers of an engine with pipeline stages: one waits for a step's results, the other schedules ahead."""
