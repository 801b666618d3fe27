-- Conversations: each session has turns, a question and what came of it; each turn has its messages.
PRAGMA application_id = 1280471908;  -- "LRsd": a database of another program is told apart

-- What was read: the documents of a turn, by content hash, as JSON. Turns that read the same share a row.
CREATE TABLE corpora (
    number INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL
);

-- Times are UTC, ISO 8601 with milliseconds. `writer` is the process that writes, by its id and when it began.
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    model TEXT NOT NULL,
    corpus INTEGER NOT NULL REFERENCES corpora,
    created TEXT NOT NULL,
    touched TEXT NOT NULL,
    writer INTEGER,
    writer_began REAL
);

-- AUTOINCREMENT: the number of a deleted turn is never another's, whose writer may not know of the deletion yet.
CREATE TABLE turns (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    position INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'finished', 'interrupted', 'failed')),
    question TEXT NOT NULL,
    answer TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL,
    corpus INTEGER NOT NULL REFERENCES corpora,
    began TEXT NOT NULL,
    ended TEXT,
    finish_reason TEXT,
    error TEXT,
    usage TEXT,
    citations TEXT NOT NULL DEFAULT '[]',
    extra TEXT NOT NULL DEFAULT '{}',
    UNIQUE (session, position)
);

CREATE INDEX open_turns ON turns (state) WHERE state = 'open';

-- Qwen-Agent's messages, as JSON, after the question.
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE,
    position INTEGER NOT NULL,
    content TEXT NOT NULL,
    UNIQUE (turn, position)
);

-- An open turn as it streams. WITHOUT ROWID: a piece more is one page written, and the turn's pieces lie together.
CREATE TABLE pieces (
    turn INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (turn, position)
) WITHOUT ROWID;
