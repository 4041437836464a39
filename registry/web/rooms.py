"""The rooms of the house: every module whose ``router`` the application serves, in order of matching."""

from types import ModuleType

from registry.web import entries, new_case, sign_in, work

ROOMS: tuple[ModuleType, ...] = (sign_in, work, new_case, entries)
