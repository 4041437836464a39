"""The sample world, made where the settings say and shown to whoever starts the demo.

Drawing the pictures takes several times the memory that a server should; so they are drawn in a process of
their own, which gives it all back.
"""

import os
import sys
import threading
import time
from multiprocessing import get_context, parent_process
from pathlib import Path

from core.keyring import open_provider
from core.settings import Settings
from imaging.sandbox import Pool
from registry import sample, sample_cases
from registry.app import bring_up_to_date, open_database


def make(settings: Settings) -> None:
    """Migrate, make the keys, tell the cases and write down the sign-ins, in an empty database."""
    open_provider(settings.keyring, create=True)
    bring_up_to_date(settings)
    database = open_database(settings)
    pool = Pool(settings.sandbox_workers)
    pool.start()
    try:
        sample_cases.make_world(database, pool, settings.data_dir, lambda line: print(line, flush=True))
    finally:
        pool.close()
        database.close()


def make_apart(settings: Settings) -> None:
    """``make`` in a process of its own. Exits with its status when it fails."""
    print("Making the sample world: three hospitals, twelve people, eleven cases with pictures. It takes about a minute.", flush=True)
    started = time.monotonic()
    child = get_context("spawn").Process(target=_make_as_child, args=(settings,))
    child.start()
    child.join()
    if child.exitcode:
        sys.exit(child.exitcode)
    print(f"Done in {time.monotonic() - started:.0f} s.", flush=True)


def _make_as_child(settings: Settings) -> None:
    """``make``, given up at once when the demo that asked for it is no more."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    make(settings)


def print_accounts(settings: Settings) -> None:
    """The table of sign-ins."""
    folder = settings.data_dir
    print(f"\n  Open {settings.base_url} and sign in as one of these. The code comes from the authenticator secret;")
    command = os.path.relpath(Path(sys.executable).parent / "shanhai")
    print(f"  '{command} user code LOGIN --data-dir {os.path.relpath(folder)}' prints the present one.\n")
    print(f"  {'role':<14}{'login':<7}{'password':<21}{'authenticator secret':<35}hospital")
    for account in sample.read_accounts(folder):
        print(f"  {account.role:<14}{account.login:<7}{account.password:<21}{account.totp_secret:<35}{account.organisation}")
    print(f"\n  The same, with API tokens: {folder / sample.ACCOUNTS}\n", flush=True)
