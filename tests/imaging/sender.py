"""A process of its own that receives an upload part by part until it is killed; started by test_uploads_killed."""

import sys
from pathlib import Path
from uuid import UUID

from core.actor import Actor
from core.db import Database
from core.keyring import FileProvider, Keyring
from core.storage import open_store
from imaging import bodies, uploads


def main(database_url: str, store_url: str, folder: str, organisation: str, person: str, upload: str, file: str) -> None:
    bodies.PART_BYTES = 4_096
    database = Database(database_url, Keyring(FileProvider(Path(folder) / "keys" / "root.key")), open_store(store_url))
    actor = Actor(UUID(person), UUID(organisation), roles=frozenset({"surgeon"}))
    with database.begin() as db:
        offset = uploads.get(db, actor, UUID(upload)).offset
    data = Path(file).read_bytes()
    receiver = uploads.Receiver(database, actor, UUID(upload), offset=offset)
    for at in range(offset, len(data), 1_000):
        receiver.feed(data[at : at + 1_000])
        print(at, flush=True)
    receiver.finish()


if __name__ == "__main__":
    main(*sys.argv[1:])
