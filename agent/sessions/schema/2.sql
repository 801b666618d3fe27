-- Full-text search. Trigrams, because many scripts have no spaces between words; the text itself stays in `turns`.
CREATE VIRTUAL TABLE search USING fts5 (
    question, answer, content = 'turns', content_rowid = 'number', tokenize = 'trigram'
);

CREATE TRIGGER turns_inserted AFTER INSERT ON turns BEGIN
    INSERT INTO search (rowid, question, answer) VALUES (new.number, new.question, new.answer);
END;

CREATE TRIGGER turns_deleted AFTER DELETE ON turns BEGIN
    INSERT INTO search (search, rowid, question, answer) VALUES ('delete', old.number, old.question, old.answer);
END;

CREATE TRIGGER turns_updated AFTER UPDATE OF question, answer ON turns BEGIN
    INSERT INTO search (search, rowid, question, answer) VALUES ('delete', old.number, old.question, old.answer);
    INSERT INTO search (rowid, question, answer) VALUES (new.number, new.question, new.answer);
END;

INSERT INTO search (search) VALUES ('rebuild');
