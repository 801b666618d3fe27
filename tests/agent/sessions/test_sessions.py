"""Conversations: what is kept of a turn, what the next question goes on from, how they are found and deleted."""

import json
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qwen_agent.llm.schema import Message

from longread.agent.citations.markers import Citation
from longread.agent.corpus import Corpus
from longread.agent.corpus.page_selection import select_pages
from longread.agent.llm.openai_messages import to_openai
from longread.agent.sessions import CUT_OFF, Recorder, Session, SessionError, Sessions
from longread.agent.sessions import sessions as store_module
from longread.agent.sessions.transcript import Piece, fold, written
from longread.documents import Document
from longread.events import Usage
from tests.support.corpora import corpus, document
from tests.support.messages import says

BOOK = corpus(document("book", "One token takes 57,344 bytes.", "Prefill is reading."), document("notes", "A note."))
USAGE = Usage(prompt_tokens=100, cached_tokens=60, output_tokens=3, ttft=0.5, seconds=1.5)
CITATION = Citation(document="book", page=1, label="1", found_by="model")


@pytest.fixture
def sessions() -> Iterator[Sessions]:
    with Sessions() as found:
        yield found


def changed(document: Document, **fields: object) -> Document:
    return Document(**{**dict(document), **fields})


def answered(session: Session, question: str, answer: str) -> None:
    session.begin(question).finish(answer)


# What is kept


def test_a_turn_is_kept_whole(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted", selections=["book:1-2"])
    turn = session.begin("How many bytes?", model="another")
    turn.add("Let me ", reasoning=True)
    turn.add("look.", reasoning=True)
    turn.add_call("search", {"query": "bytes"}, id="call_1")
    turn.add_result("search", "57,344 on page 1", id="call_1")
    turn.add("It takes ")
    turn.add("57,344 bytes [book:1].")
    turn.finish(citations=[CITATION], usage=USAGE, finish_reason="stop", extra={"unknown_citations": ["[book:9]"]})

    (kept,) = sessions.get(session.id).turns()
    assert (kept.position, kept.state, kept.question) == (1, "finished", "How many bytes?")
    assert kept.answer == "It takes 57,344 bytes [book:1]."
    assert kept.messages == (
        {"role": "assistant", "content": "", "reasoning_content": "Let me look."},
        {
            "role": "assistant",
            "content": "",
            "function_call": {"name": "search", "arguments": '{"query": "bytes"}'},
            "extra": {"function_id": "call_1"},
        },
        {"role": "function", "name": "search", "content": "57,344 on page 1", "extra": {"function_id": "call_1"}},
        {"role": "assistant", "content": "It takes 57,344 bytes [book:1]."},
    )
    assert Citation(**kept.citations[0]) == CITATION
    assert Usage(**(kept.usage or {})) == USAGE
    assert (kept.model, kept.finish_reason, kept.extra) == ("another", "stop", {"unknown_citations": ["[book:9]"]})
    assert kept.ended
    assert kept.began.utcoffset() == kept.ended - kept.ended  # UTC
    assert [(d.id, d.name, d.source, d.pages, d.page_count) for d in kept.documents] == [
        (d.id, d.name, d.source, pages, len(d.pages)) for d, pages in zip(BOOK, ("1-2", "1"), strict=True)
    ]
    assert kept.selections == ("book:1-2",)
    assert (session.title, session.model, session.id) == ("How many bytes?", "scripted", session.id)


def test_an_open_turn_is_seen_as_far_as_it_has_come(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted")
    turn = session.begin("Well?")
    turn.add("Half")
    with Sessions() as others:
        (seen,) = others.get(session.id).turns()
        assert (seen.state, seen.answer, seen.ended) == ("open", "Half", None)
        assert others.search("half") == []  # not in the index before it ends
    turn.finish()
    assert session.turns()[0].state == "finished"


def test_the_final_text_counts_where_it_differs_from_the_streamed_one(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted")
    turn = session.begin("Well?")
    turn.add("Let me look.")
    turn.add_call("search", "{}")
    turn.add_result("search", "nothing")
    turn.add("It says «57» [book:1].")
    turn.finish("It says «57,344» [book:1].")
    (kept,) = session.turns()
    assert kept.answer == "It says «57,344» [book:1]."
    assert [m["content"] for m in kept.messages] == ["Let me look.", "", "nothing", kept.answer]


def test_messages_of_qwen_agent_can_be_given_instead(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted")
    session.begin("Well?").finish(messages=[Message("assistant", [{"text": "Yes."}], extra={"a": 1})])  # pyright: ignore
    (kept,) = session.turns()
    assert kept.answer == "Yes."
    assert Message(**kept.messages[0]).extra == {"a": 1}


def test_halves_of_characters_are_no_error(sessions: Sessions) -> None:
    odd = corpus(changed(BOOK.documents[0], source="caf\udce9.pdf"))
    session = sessions.create(odd, "scripted")
    turn = session.begin("What\ud83d?")
    turn.add("A\udc00")
    turn.add_call("search", '{"query": "\ud83d"}')
    turn.finish(citations=[{"words": "\ud83d"}])
    (kept,) = session.turns()
    assert (kept.question, kept.answer) == ("What\ufffd?", "A\ufffd")
    assert kept.documents[0].source == "caf\udce9.pdf"  # a file name stays what opens the file
    for format in ("markdown", "json", "jsonl"):
        assert sessions.export(session.id, format).encode()
    assert sessions.list()[0].documents == kept.documents
    assert session.changed(odd) == []


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["text", "reasoning"]), st.text(min_size=1)),
            st.just(("call", json.dumps({"id": "1", "name": "f", "arguments": "{}"}))),
            st.just(("result", json.dumps({"id": "1", "name": "f", "content": "x"}))),
        )
    )
)
def test_nothing_is_lost_between_pieces_and_messages(pieces: list[tuple[str, str]]) -> None:
    messages = fold(Piece(kind, content) for kind, content in pieces)  # pyright: ignore[reportArgumentType]
    text = "".join(content for kind, content in pieces if kind == "text")
    assert "".join(m["content"] for m in messages if m["role"] == "assistant") == text
    assert "".join(m.get("reasoning_content", "") for m in messages) == "".join(
        c for k, c in pieces if k == "reasoning"
    )
    assert [m["role"] for m in messages if m["role"] == "function" or "function_call" in m] == [
        {"call": "assistant", "result": "function"}[kind] for kind, _ in pieces if kind in ("call", "result")
    ]
    assert all(Message(**m) for m in messages)
    assert written(messages).replace("\n\n", "") == text.replace("\n\n", "")


def test_a_token_is_cheap(sessions: Sessions) -> None:
    """It is one statement, without a transaction around it, and the last takes no more work than the first."""
    turn = sessions.create(BOOK, "scripted").begin("Well?")
    connection = sessions._database._connection
    statements: list[str] = []
    steps = calls = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    def call(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    connection.set_trace_callback(statements.append)
    connection.set_progress_handler(step, 1)
    work: list[tuple[int, int]] = []
    for _ in range(5000):
        steps = calls = 0
        sys.setprofile(call)
        try:
            turn.add("token ")
        finally:
            sys.setprofile(None)
        work.append((steps, calls))
    assert [statement.split()[0] for statement in statements] == ["INSERT"] * 5000
    assert 0 < max(steps for steps, _ in work[100:]) <= 2 * max(steps for steps, _ in work[:100])  # of SQLite's: 33
    assert 0 < max(calls for _, calls in work[100:]) <= 2 * max(calls for _, calls in work[:100])  # of Python's: 58
    turn.finish()


# Going on


def test_history_has_tool_calls_and_no_reasoning_and_goes_to_a_server(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted")
    turn = session.begin("How many?")
    turn.add("Hm.", reasoning=True)
    turn.add_call("search", "{}", id="a")
    turn.add_call("search", "{}", id="b")
    turn.add_result("search", "two", id="b")
    turn.add_result("search", "one", id="a")
    turn.add("57,344.")
    turn.finish()
    answered(session, "And?", "No more.")
    history = session.history()
    assert [m["role"] for m in history] == [
        "user", "assistant", "assistant", "function", "function", "assistant", "user", "assistant",
    ]  # fmt: skip
    assert "Hm." not in json.dumps(history)
    sent = to_openai([Message(**m) for m in history])
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "tool", "assistant", "user", "assistant"]
    assert [m["tool_call_id"] for m in sent if m["role"] == "tool"] == ["b", "a"]


def test_a_cut_off_answer_is_marked_in_history_and_not_where_it_is_kept(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted")
    turn = session.begin("First?")
    turn.add("It takes 57")
    turn.stop("interrupted")
    assert session.history() == [
        {"role": "user", "content": "First?"},
        {"role": "assistant", "content": f"It takes 57\n\n{CUT_OFF}"},
    ]
    assert session.turns()[0].answer == "It takes 57"


def test_a_question_whose_answer_had_not_begun_is_kept_and_not_in_history(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted")
    turn = session.begin("First?")
    turn.add("Hm.", reasoning=True)
    turn.stop("failed", error="The server went away.")
    assert session.history() == []
    assert (session.turns()[0].state, session.turns()[0].error) == ("failed", "The server went away.")


@pytest.mark.parametrize("ids", [("a", "b"), ("", "")])
def test_calls_without_a_result_get_one_that_says_so(sessions: Sessions, ids: tuple[str, str]) -> None:
    session = sessions.create(BOOK, "scripted")
    turn = session.begin("First?")
    turn.add_call("search", "{}", id=ids[0])
    turn.add_call("read_pages", "{}", id=ids[1])
    turn.add_result("search", "found", id=ids[0])
    turn.stop()
    *_, missing, last = session.history()
    assert (missing["role"], missing["name"]) == ("function", "read_pages")
    assert "interrupted" in missing["content"]
    assert last == {"role": "assistant", "content": CUT_OFF}
    assert [m["role"] for m in session.history()].count("function") == 2


@pytest.mark.parametrize(
    ("error", "state"),
    [(KeyboardInterrupt(), "interrupted"), (GeneratorExit(), "interrupted"), (OSError("x"), "failed")],
)
def test_a_turn_that_is_left_is_stopped(sessions: Sessions, error: BaseException, state: str) -> None:
    session = sessions.create(BOOK, "scripted")
    turn = session.begin("Well?")

    def leave() -> None:
        with turn:
            turn.add("Ha")
            raise error

    with pytest.raises(type(error)):
        leave()
    (kept,) = session.turns()
    assert (kept.state, kept.answer) == (state, "Ha")
    with pytest.raises(ValueError, match="has ended"):
        turn.add("lf")


def test_the_latest_about_the_same_files(sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    milliseconds = count()
    for module in ("sessions", "session", "turn_writer"):  # a clock that neither stands still nor goes back
        monkeypatch.setattr(
            f"longread.agent.sessions.{module}.now", lambda: f"2026-01-01T00:00:00.{next(milliseconds):03}+00:00"
        )
    path = tmp_path / "real.txt"
    path.write_text("x")
    real = corpus(changed(BOOK.documents[0], source=str(path)))
    assert sessions.latest() is None
    first = sessions.create(real, "scripted")
    second = sessions.create(BOOK, "scripted")
    assert [s.id for s in sessions.list()] == [second.id, first.id]
    assert (sessions.latest() or first).id == second.id
    assert (sessions.latest(real) or second).id == first.id
    rewritten = corpus(changed(real.documents[0], id="0" * 64, name="renamed"))
    assert (sessions.latest(rewritten) or second).id == first.id  # by place
    assert (sessions.latest(corpus(*reversed(BOOK.documents))) or first).id == second.id
    assert sessions.latest(corpus(BOOK.documents[1])) is None
    answered(first, "Well?", "Yes.")
    assert (sessions.latest() or second).id == first.id


# Documents that are not as they were


def test_documents_as_they_were_are_no_change(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted")
    assert session.changed(BOOK) == []
    assert session.changed(corpus(*reversed(BOOK.documents))) == []


def test_what_has_changed_is_said(sessions: Sessions) -> None:
    book, notes = BOOK.documents
    session = sessions.create(BOOK, "scripted")
    longer = changed(book, id="0" * 64, pages=(*book.pages, book.pages[0]))
    assert session.changed([longer, document("new", "x")]) == [
        "book.pdf has changed since this conversation's last question: its pages are now 3, then 2.",
        "notes.pdf, which this conversation was about, is not among the documents now.",
        "new.pdf is new in this conversation.",
    ]
    assert session.changed([changed(book, id="0" * 64), notes]) == [
        "book.pdf has changed since this conversation's last question: it has 2 pages, as then."
    ]
    assert session.changed([changed(book, name="book-2"), notes]) == [
        "book.pdf is cited as [book-2:page] now, and was as [book:page]."
    ]


def test_another_choice_of_pages_is_said(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted")
    assert session.changed(select_pages(BOOK, ["book:2"])) == [
        "Of book.pdf the pages 2 are read now; at this conversation's last question it was 1-2."
    ]


def test_changes_are_since_the_last_question(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted")
    other: Corpus = corpus(changed(BOOK.documents[0], id="0" * 64), BOOK.documents[1])
    session.begin("Well?", other).finish("Yes.")
    assert session.changed(other) == []
    assert len(session.changed(BOOK)) == 1
    session.begin("And?").finish("No.")  # of the same documents as the question before
    assert session.changed(other) == []


# Finding


def test_by_id_or_its_beginning(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["abc111", "abc111", "abc222"])
    monkeypatch.setattr(store_module.secrets, "token_hex", lambda _: next(ids))
    for title in ("one", "two"):
        sessions.create(BOOK, "scripted", title)  # an id that is taken is made again
    assert sessions.get("ABC1").id == "abc111"
    assert sessions.get("abc222").title == "two"
    with pytest.raises(SessionError, match=r"'abc'.*2 conversations: abc222 \(two\), abc111 \(one\)\. Give"):
        sessions.get("abc")
    for unknown in ("", "%", "abd", "xyz"):
        with pytest.raises(SessionError, match=r"There is no conversation .*agent sessions list"):
            sessions.get(unknown)


def test_the_list_has_a_limit_and_a_title_of_one_line(sessions: Sessions) -> None:
    for i in range(3):
        answered(sessions.create(BOOK, "scripted"), f"Question {i}\n" + "and more words " * 20, "Yes.")
    assert [s.title[:10] for s in sessions.list(2)] == ["Question 2", "Question 1"]
    assert sessions.list(1)[0].title.endswith("…")
    assert len(sessions.list(1)[0].title) <= 80
    assert sessions.list(1)[0].turns == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes", [1]),
        ("BYTE", [1]),  # part of a word, whatever its case
        ("bytes token", [1]),  # in question and answer
        ("bytes window", []),
        ('"57,344 bytes"', [1]),
        ('"bytes 57,344"', []),
        ("合同", [2]),  # shorter than the index's words
        ("王芳 合同", [2]),
        ("二〇二四年", [2]),
        ("签的 bytes", []),
        ("ÜBERGABE", [3]),
        ("ü", [3]),
        ('AND "OR', [4]),  # nothing is an operator
        ("50%", [4]),
        ("_", []),
    ],
)
def test_search_finds_every_script(sessions: Sessions, text: str, found: list[int]) -> None:
    session = sessions.create(BOOK, "scripted")
    answered(session, "How much is a token?", "It takes 57,344 bytes.")
    answered(session, "合同是谁签的？", "合同由王芳于二〇二四年签署。")
    answered(session, "Wann war die Übergabe?", "Am 3. Mai.")
    answered(session, 'Is it "and" or OR?', "50% AND nothing.")
    assert [hit.position for hit in sessions.search(text)] == found


def test_a_hit_shows_where(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted")
    answered(session, "How?", "word " * 50 + "It takes\n57,344 bytes " + "word " * 50)
    answered(session, "bytes?", "")
    latest, first = sessions.search("bytes")
    assert (latest.session, latest.snippet) == (session.id, "bytes?")
    assert first.snippet.startswith("…")
    assert "It takes 57,344 bytes word" in first.snippet
    assert len(sessions.search("bytes", limit=1)) == 1
    for nothing in ("", "  ", '""'):
        with pytest.raises(SessionError, match="nothing to search for"):
            sessions.search(nothing)


# Deleting and exporting


def test_deleted_is_gone_from_every_byte(sessions: Sessions) -> None:
    secret = "the heron flies at midnight 龘靐齉"
    kept = sessions.create(corpus(document("kept", "x")), "scripted")
    answered(kept, "Stays?", "This stays.")
    session = sessions.create(BOOK, "scripted")
    for i in range(40):
        turn = session.begin(f"{secret}? {i}")
        for word in f"{secret} {'and more words ' * (i % 7)}".split(" "):
            turn.add(word + " ")
        turn.add_call("search", {"query": secret})
        turn.add_result("search", f"{secret}! " * i * 50)
        turn.finish(citations=[{"words": secret}])
        answered(kept, f"Stays {i}?", "This stays.")

    def everything() -> bytes:
        return b"".join(path.read_bytes() for path in sessions.path.parent.iterdir())

    assert secret.encode() in everything()
    sessions.delete(session.id)
    for word in (secret, "heron", "靐齉", "notes.pdf", session.id):  # the third: the tail of one of the index's words
        assert word.encode() not in everything(), word
    assert b"This stays." in everything()
    assert sessions.search("heron") == []
    assert len(sessions.search("stays")) == 41
    with pytest.raises(SessionError, match="no conversation"):
        sessions.get(session.id)
    with pytest.raises(SessionError, match="deleted"):
        session.begin("Still there?")


def test_a_turn_whose_conversation_is_deleted_says_so(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted")
    turn = session.begin("Well?")
    sessions.delete(session.id)
    another = sessions.create(BOOK, "scripted").begin("Mine.")
    with pytest.raises(SessionError, match="was deleted"):
        turn.add("Lost")
    with pytest.raises(SessionError, match="was deleted"):
        turn.finish()
    another.finish("Whole.")
    assert [m["content"] for m in sessions.latest().history()] == ["Mine.", "Whole."]  # pyright: ignore


def test_exports(sessions: Sessions) -> None:
    session = sessions.create(BOOK, "scripted", "A title")
    turn = session.begin("How many?")
    turn.add_call("search", {"query": "bytes"})
    turn.add_result("search", "57,344")
    turn.add("57,344 bytes [book:1].")
    turn.finish(citations=[CITATION, CITATION])
    turn = session.begin("Und 合同?")
    turn.add("Hal")
    turn.stop()
    text = sessions.export(session.id)
    assert text.startswith("# A title\n\nA conversation with scripted, begun 20")
    assert f"- book: book (book.pdf), pages 1-2, SHA-256 {BOOK.documents[0].id}\n" in text
    assert says(text, '"query"', '"bytes"', "returned", "6", "characters")
    assert "57,344 bytes [book:1].\n\nPages: [book:1]\n" in text
    assert text.endswith("Hal\n\n*Cut off: interrupted.*\n")
    whole = json.loads(sessions.export(session.id, "json"))
    assert whole["id"] == session.id
    assert whole["turns"][1]["question"] == "Und 合同?"
    lines = [json.loads(line) for line in sessions.export(session.id, "jsonl").splitlines()]
    assert [(line["session"], line["position"], line["answer"]) for line in lines] == [
        (session.id, 1, "57,344 bytes [book:1]."),
        (session.id, 2, "Hal"),
    ]
    assert lines[0]["messages"] == whole["turns"][0]["messages"]
    with pytest.raises(SessionError, match=r"format 'pdf'.*markdown"):
        sessions.export(session.id, "pdf")  # pyright: ignore[reportArgumentType]


@settings(max_examples=25)
@given(st.text(), st.text())
def test_any_text_can_be_kept_found_and_exported(question: str, answer: str) -> None:
    with Sessions() as sessions:
        session = sessions.create(BOOK, "scripted")
        answered(session, question, answer)
        (kept,) = session.turns()
        assert (kept.question, kept.answer) == (question, answer)
        words = [word for word in answer.replace("\0", " ").split() if '"' not in word]
        if words and "\0" not in question + answer:
            assert session.id in [hit.session for hit in sessions.search(f'"{words[0]}"')]
        assert json.loads(sessions.export(session.id, "json"))["turns"][0]["answer"] == answer


# Without standing in the way


def test_a_recorder_keeps_a_conversation_from_its_first_question_on(sessions: Sessions) -> None:
    said: list[str] = []
    recorder = Recorder(lambda: sessions.create(BOOK, "scripted"), said.append)
    recorder.add("nobody asked")
    assert sessions.list() == []
    recorder.begin("One?")
    recorder.add("Hm", reasoning=True)
    recorder.add_call("search", "{}")
    recorder.add_result("search", "x")
    recorder.add("1.")
    recorder.finish(usage=USAGE)
    recorder.begin("Two?")
    recorder.add("2")
    recorder.begin("Three?")
    recorder.close()
    assert said == []
    assert recorder.session
    assert [(t.question, t.state) for t in recorder.session.turns()] == [
        ("One?", "finished"), ("Two?", "interrupted"), ("Three?", "interrupted"),
    ]  # fmt: skip


def test_a_recorder_tells_once_that_it_fails_and_that_it_works_again(sessions: Sessions) -> None:
    said: list[str] = []
    fails = True

    def make() -> Session:
        if fails:
            raise SessionError("The disk is full.")
        return sessions.create(BOOK, "scripted")

    recorder = Recorder(make, said.append)
    for _ in range(3):
        recorder.begin("Well?")
        recorder.add("Yes.")
        recorder.finish()
    assert said == ["This conversation is not being stored: The disk is full."]
    fails = False
    recorder.begin("Well?")
    recorder.finish("Yes.")
    assert said[1:] == ["The conversation is stored again."]
    assert sessions.list()[0].turns == 1
