"""The rooms of the house: every module whose ``router`` the application serves, in order of matching."""

from types import ModuleType

from registry.web import (
    account,
    annotations,
    api,
    api_consult,
    audit,
    case,
    dicomweb,
    entries,
    files,
    follow_up,
    health,
    inbox,
    new_case,
    notices,
    opinion,
    patient,
    pictures,
    referral,
    sign_in,
    work,
)

ROOMS: tuple[ModuleType, ...] = (
    health,
    sign_in,
    work,
    new_case,
    entries,
    files,
    referral,
    opinion,
    follow_up,
    pictures,
    patient,
    audit,
    case,
    inbox,
    notices,
    account,
    api,
    api_consult,
    annotations,
    dicomweb,
)
