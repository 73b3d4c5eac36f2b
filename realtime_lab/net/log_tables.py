"""The event log's tables. An application may have its own beside them (not named log_...; PRAGMA application_id and user_version are ours).

log_meta      epoch: made with the database; offsets of different epochs cannot be compared
              trimmed: every event up to this offset was removed
log_events    the events; AUTOINCREMENT, so that an offset never comes back, not even after all rows were deleted
              body: JSON as in body.py; attachments: base64 of its bytes; at: seconds since 1970 (Unix time) when it was appended
              room: whom it is for; "": everybody
log_clients   last: the number of the client's last applied event; at: when that was recorded
              owner: to whom this client id belongs, as the server found out; NULL: nobody
log_answers   how its newest events were answered (rules/dedup.py: 512 for each client), and the fingerprint of what they held
"""

from realtime_lab.net.database import Schema

SCHEMA = Schema(
    application_id=0x524C4556,  # "RLEV"
    version=1,
    script="""
        CREATE TABLE log_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
        CREATE TABLE log_events (
            offset INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, body TEXT NOT NULL, attachments TEXT,
            room TEXT NOT NULL DEFAULT '', at REAL NOT NULL);
        CREATE INDEX log_events_room ON log_events (room);
        CREATE TABLE log_clients (client_id TEXT PRIMARY KEY, last INTEGER NOT NULL, owner TEXT, at REAL NOT NULL);
        CREATE INDEX log_clients_at ON log_clients (at);
        CREATE TABLE log_answers (
            client_id TEXT, n INTEGER, fingerprint TEXT NOT NULL, answer TEXT NOT NULL, attachments TEXT,
            PRIMARY KEY (client_id, n)) WITHOUT ROWID;
        INSERT INTO log_meta VALUES ('epoch', '{identity}'), ('trimmed', '0')
    """,
    identity="SELECT value FROM log_meta WHERE name = 'epoch'",
)
