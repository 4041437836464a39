"""Makes the sample world on the engines that the settings name: what ``shanhai demo`` does on the embedded one.

The demo keeps to the embedded engine, so that it can never write into a hospital's database.
"""

import sys

from core.keyring import open_provider
from core.settings import Settings
from imaging.sandbox import Pool
from registry import sample_cases, schema
from registry.app import open_database


def main() -> None:
    """Migrate, make the keys, tell the cases and write down the sign-ins."""
    settings = Settings()
    settings.data_dir.mkdir(mode=0o700, parents=True)
    open_provider(settings.keyring, create=True)
    database = open_database(settings)
    schema.upgrade(database)
    pool = Pool(settings.sandbox_workers)
    pool.start()
    sample_cases.make_world(database, pool, settings.data_dir, lambda line: print(line, file=sys.stderr))
    pool.close()
    database.close()


if __name__ == "__main__":
    main()
