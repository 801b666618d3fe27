"""Stream an answer: progress of the prompt, the text as it comes, and the cost; then a follow-up question.

python examples/stream.py examples/handbook.pdf "What is the window of the built-in model?" \
    "What is the licence of the source code?"
"""

import sys

from longread import Answer, Corpus, Delta, LongReader, Prefill

if len(sys.argv) < 3:
    sys.exit(__doc__)
path, *questions = sys.argv[1:]
reader = LongReader(Corpus.load([path]), max_tokens=150)

history = ()
for question in questions:
    print(f"\n> {question}")
    for event in reader.stream(question, history=history):
        match event:
            case Prefill(done=done, total=total, cached=cached):
                print(f"\r{done}/{total} prompt tokens ({cached} from the cache)", end="", file=sys.stderr)
            case Delta(text=text, reasoning=False):
                print(text, end="", flush=True)
            case Answer(citations=citations, usage=usage):
                history = event.history
                print("\n", *citations)
                if usage:
                    print(f"first token after {usage.ttft:.2f} s")
