"""Ask a question about a file through `agent api`, with the official client: pip install openai

    agent api                                   # in another terminal; --server selects another model
    python examples/openai_client.py examples/handbook.pdf "What is the window of the built-in model?"

OPENAI_BASE_URL is the address of the API, by default http://127.0.0.1:8080/v1; OPENAI_API_KEY is its key, if any.
"""

import os
import sys
from pathlib import Path

import openai

if len(sys.argv) < 3:
    sys.exit(__doc__)
path, question = sys.argv[1:]
client = openai.OpenAI(
    base_url=os.environ.get("OPENAI_BASE_URL") or "http://127.0.0.1:8080/v1",
    api_key=os.environ.get("OPENAI_API_KEY") or "none",
)

model = client.models.list().data[0].id
file = client.files.create(file=Path(path), purpose="user_data")
stream = client.chat.completions.create(
    model=model,
    messages=[
        {
            "role": "user",
            "content": [
                {"type": "file", "file": {"file_id": file.id}},
                {"type": "text", "text": question},
            ],
        }
    ],
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
        for annotation in getattr(choice.delta, "annotations", ()):  # beside OpenAI's url_citation
            cited = annotation["file_citation"]
            print(f"\n{cited['filename']}, page {cited['label']} (found by {cited['found_by']})", end="")
    if chunk.usage:
        print(f"\n{chunk.usage.prompt_tokens} tokens read, {chunk.usage.completion_tokens} written")
client.files.delete(file.id)
