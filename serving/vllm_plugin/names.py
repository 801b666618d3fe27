"""Names that several of the launcher, the server and its workers use. Imports nothing."""

SETTINGS = "longread"
"""Our key in vLLM's --additional-config."""
METRICS_FOLDER = "LONGREAD_METRICS_DIR"
"""The environment variable with the folder of the workers' counters."""
LOGGER = "vllm.longread"
"""vLLM shows what its own loggers say, those below "vllm"."""
STAGE = "longread.serving.vllm_plugin.stage.Stage"
"""What is mixed into the workers of an engine with pipeline stages."""
SCHEDULERS = tuple(f"longread.serving.vllm_plugin.scheduler.{kind}EqualTimeScheduler" for kind in ("", "Async"))
"""What schedules for an engine with pipeline stages: one that waits for a step's results, one that goes ahead."""
