"""The rooms of the house: every module whose ``router`` the application serves, in order of matching."""

from types import ModuleType

ROOMS: tuple[ModuleType, ...] = ()
