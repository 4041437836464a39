"""Makes the sample world on the engines that the settings name: what ``shanhai demo`` does on the embedded one.

The demo keeps to the embedded engine, so that it can never write into a hospital's database.
"""

from core.settings import Settings
from registry import demo_world


def main() -> None:
    """Make the world in an empty place."""
    settings = Settings()
    settings.data_dir.mkdir(mode=0o700, parents=True)
    demo_world.make(settings)


if __name__ == "__main__":
    main()
