"""Greedy answers of vLLM in this process, for tests: reads a JSON request from standard input, writes JSON.

In a process of its own, since vLLM changes torch's threads and devices for good.
"""

import json
import os
import sys

os.environ |= {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "TORCHDYNAMO_DISABLE": "1",  # the sampler would be compiled, for half a minute
}


def main() -> None:
    request = json.load(sys.stdin)
    from vllm import LLM, SamplingParams

    settings = {"dtype": "float32", "enforce_eager": True, "kv_cache_memory_bytes": 1 << 28, "max_num_seqs": 4}
    engine = LLM(**{**settings, **request["engine"]})
    sampling = SamplingParams(temperature=0, max_tokens=request["max_tokens"], logprobs=1, ignore_eos=True)
    answers = []
    for together in request["prompts"]:
        for output in engine.generate([{"prompt_token_ids": ids} for ids in together], sampling, use_tqdm=False):
            answer = output.outputs[0]
            assert answer.logprobs is not None
            answers.append(
                {
                    "tokens": list(answer.token_ids),
                    "logprobs": [
                        at[token].logprob for at, token in zip(answer.logprobs, answer.token_ids, strict=True)
                    ],
                    "cached": output.num_cached_tokens,
                }
            )
    print("\n" + json.dumps(answers))


if __name__ == "__main__":
    main()
