"""vLLM in a process of its own, for tests: each line of standard input is a request and gets a line back, both JSON.

A process of its own, since vLLM changes torch's threads and devices for good; one for many engines, since importing
vLLM takes 14 s, and an engine for a tiny model 4 s. Run from the root: python -m tests.serving.vllm_plugin.answers
"""

import gc
import json
import os
import sys
import traceback
from typing import Any

os.environ |= {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "TORCHDYNAMO_DISABLE": "1",  # the sampler would be compiled, for half a minute
    "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS": "3600",  # longer than any test: no step is too slow, and none is given up
}


def main() -> None:
    import torch

    threads, set_threads = torch.get_num_threads(), torch.set_num_threads
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # vLLM logs to standard output
    registered = registering()
    for line in sys.stdin:
        set_threads(threads)  # an engine of several processes leaves this one with one
        try:
            request: dict[str, Any] = json.loads(line)
            reply = scheduled(request) if "requests" in request else {**answer(request), "registered": registered}
        except Exception:
            reply = {"error": traceback.format_exc()}
        gc.collect()  # the engine, before there is another
        print(json.dumps(reply), file=replies, flush=True)


def scheduled(request: dict[str, Any]) -> dict[str, Any]:
    """The steps for requests. Imported here: longread must not be imported before vLLM loads its plug-ins."""
    from tests.serving.vllm_plugin.schedules import schedules

    return schedules(request)


def registering() -> list[str]:
    """The modules of longread that are imported when vLLM loads its plug-ins."""
    from vllm.plugins import load_general_plugins

    load_general_plugins()
    found = [name for name in sys.modules if name.split(".")[0] == "longread"]
    if found:
        again()
    return found


def again() -> None:
    """vLLM may load its plug-ins twice in a process."""
    from vllm.config import ModelConfig
    from vllm.model_executor.layers.attention.attention import Attention

    from longread.serving.vllm_plugin import register

    before = ModelConfig.verify_dual_chunk_attention_config, Attention.__init__
    register()
    assert before == (ModelConfig.verify_dual_chunk_attention_config, Attention.__init__)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Greedy answers of a new engine. The prompts of each list in `prompts` are sent at once."""
    import vllm
    from vllm import LLM, SamplingParams

    if request["version"]:  # where the plug-in was not loaded
        from longread.serving.vllm_plugin import register

        vllm.__version__ = request["version"]
        register()
    settings = {
        "dtype": "float32",
        "enforce_eager": True,
        "kv_cache_memory_bytes": 1 << 28,
        "max_num_seqs": 4,
        "disable_log_stats": False,
    }
    engine = LLM(**{**settings, **request["engine"]})
    layers = engine.llm_engine.vllm_config.compilation_config.static_forward_context.values()
    if request["scales"]:  # of an FP8 cache, which a quantized checkpoint would bring
        for layer in layers:
            layer._k_scale_float, layer._v_scale_float = request["scales"]
    sampling = SamplingParams(temperature=0, max_tokens=request["max_tokens"], logprobs=1, ignore_eos=True)
    answers, counted = [], counters()
    try:
        for together in request["prompts"]:
            for output in engine.generate([{"prompt_token_ids": ids} for ids in together], sampling, use_tqdm=False):
                found = output.outputs[0]
                logprobs: Any = found.logprobs
                answers.append(
                    {
                        "tokens": list(found.token_ids),
                        "logprobs": [at[token].logprob for at, token in zip(logprobs, found.token_ids, strict=True)],
                        "cached": output.num_cached_tokens,
                    }
                )
        metrics: Any = engine.get_metrics()
        preemptions = [metric.value for metric in metrics if metric.name == "vllm:num_preemptions"]
        # None are seen here where the layers are in other processes.
        backends = [layer.attn_backend.get_name() for layer in layers if hasattr(layer, "attn_backend")]
        added = {name: value - counted.get(name, 0) for name, value in counters().items()}
        failure = broken(engine, sampling, request["breaks"]) if request["breaks"] else ""
        return {
            "answers": answers,
            "preemptions": preemptions[0],
            "backends": backends,
            "counters": added,
            "failure": failure,
        }
    finally:
        engine.llm_engine.engine_core.shutdown()


def broken(engine: Any, sampling: Any, where: tuple[int, int, str]) -> str:
    """The error of an engine after one of its workers has failed. `where`: its stage, its rank there, the method."""
    engine.collective_rpc(break_worker, args=where)
    try:
        engine.generate([{"prompt_token_ids": [1000] * 50}], sampling, use_tqdm=False)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("a worker failed, and there was an answer")


def break_worker(worker: Any, stage: int, rank: int, method: str) -> None:
    """Run by each worker."""
    from vllm.distributed.parallel_state import get_pp_group, get_tensor_model_parallel_rank

    def fails(*_: Any) -> None:
        raise RuntimeError("no memory for this step")

    if (get_pp_group().rank_in_group, get_tensor_model_parallel_rank()) == (stage, rank):
        setattr(worker.model_runner, method, fails)


def counters() -> dict[str, float]:
    """Ours, as /metrics would show them."""
    from prometheus_client import REGISTRY

    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples]
    ours = [sample for sample in samples if sample.name.startswith("longread_") and "le" not in sample.labels]
    return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in ours}


if __name__ == "__main__":
    main()
