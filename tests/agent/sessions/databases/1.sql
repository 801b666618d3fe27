-- A database of version 1 as it was written: two conversations, one of them killed in mid-answer.
PRAGMA application_id = 1280471908;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE corpora (
    number INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL
);
INSERT INTO "corpora" VALUES(1,'bd5abf8cfd170a690b9064365bbbae58','{"documents": [{"id": "abababababababababababababababababababababababababababababababab", "name": "book", "title": "A book", "source": "book.pdf", "path": null, "media_type": "application/pdf", "pages": "1-208", "page_count": 208}], "selections": ["book:1-208"]}');
INSERT INTO "corpora" VALUES(2,'3827662459aa5549ff0e364568593e51','{"documents": [{"id": "abababababababababababababababababababababababababababababababab", "name": "book", "title": "A book", "source": "book.pdf", "path": null, "media_type": "application/pdf", "pages": "1-208", "page_count": 208}], "selections": []}');
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE,
    position INTEGER NOT NULL,
    content TEXT NOT NULL,
    UNIQUE (turn, position)
);
INSERT INTO "messages" VALUES(1,1,0,'{"role": "assistant", "content": "", "reasoning_content": "Let me look."}');
INSERT INTO "messages" VALUES(2,1,1,'{"role": "assistant", "content": "", "function_call": {"name": "search", "arguments": "{\"query\": \"bytes\"}"}, "extra": {"function_id": "call_1"}}');
INSERT INTO "messages" VALUES(3,1,2,'{"role": "function", "name": "search", "content": "57,344 bytes on page 1", "extra": {"function_id": "call_1"}}');
INSERT INTO "messages" VALUES(4,1,3,'{"role": "assistant", "content": "It takes 57,344 bytes [book:1]."}');
INSERT INTO "messages" VALUES(5,2,0,'{"role": "assistant", "content": "合同由王芳于二〇二四年签"}');
CREATE TABLE pieces (
    turn INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (turn, position)
) WITHOUT ROWID;
INSERT INTO "pieces" VALUES(3,0,'text','Jürgen ');
INSERT INTO "pieces" VALUES(3,1,'text','Groß');
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
INSERT INTO "sessions" VALUES(1,'0123456789','How many bytes?','scripted',1,'2026-11-25T00:24:57.217+00:00','2026-11-25T00:24:57.222+00:00',NULL,NULL);
INSERT INTO "sessions" VALUES(2,'fedcba9876','Wer hat es unterschrieben?','scripted',2,'2026-11-25T00:24:57.222+00:00','2026-11-25T00:24:57.223+00:00',99999999,1700000000.0);
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
INSERT INTO "turns" VALUES(1,1,1,'finished','How many bytes?','It takes 57,344 bytes [book:1].','scripted',1,'2026-11-25T00:24:57.217+00:00','2026-11-25T00:24:57.219+00:00','stop',NULL,'{"prompt_tokens": 100, "cached_tokens": 60, "output_tokens": 3, "ttft": 0.5, "seconds": 1.5, "estimated": false}','[{"document": "book", "page": 1, "label": "1", "found_by": "model", "words": null}]','{}');
INSERT INTO "turns" VALUES(2,1,2,'failed','合同是谁签的？','合同由王芳于二〇二四年签','scripted',1,'2026-11-25T00:24:57.219+00:00','2026-11-25T00:24:57.222+00:00',NULL,'The server went away.',NULL,'[]','{}');
INSERT INTO "turns" VALUES(3,2,1,'open','Wer hat es unterschrieben?','','scripted',2,'2026-11-25T00:24:57.223+00:00',NULL,NULL,NULL,NULL,'[]','{}');
CREATE INDEX open_turns ON turns (state) WHERE state = 'open';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('sessions',2);
INSERT INTO "sqlite_sequence" VALUES('turns',3);
COMMIT;
