"""The sample world: three hospitals, their people, their rosters and eleven cases over all states. Everybody in it is invented.

Patients bear the names of trees and rivers, hospitals those of a plant and a view; histories are told with
the clock of their day, through the same verbs a person uses. Passwords and secrets are fresh for every world.
"""

import datetime as dt
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from auth import actors, agreements, factors, organisations, passwords, people, policy, tokens
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from registry import rosters
from registry.rotation import Rotation

ACCOUNTS = "demo-accounts.json"
TOKEN_LIFE = dt.timedelta(days=30)
AGREED_FOR = dt.timedelta(days=3 * 365)


@dataclass(frozen=True)
class Account:
    """One sign-in of the sample world, as ``demo-accounts.json`` lists it."""

    role: str
    organisation: str
    login: str
    password: str
    totp_secret: str
    token: str


@dataclass(frozen=True)
class Cast:
    """The people of the sample world as actors, by login."""

    actors: dict[str, Actor]
    county: UUID
    seaview: UUID
    pines: UUID

    def __getitem__(self, login: str) -> Actor:
        return self.actors[login]

    def stepped_up(self, login: str) -> Actor:
        """The same person, having just given a second factor."""
        actor = self.actors[login]
        return Actor(**{field: getattr(actor, field) for field in actor.__slots__ if field != "stepped_up_at"}, stepped_up_at=ids.now())


_COUNTY = ("沙枣县人民医院", "Shazao County People's Hospital", "沙枣")
_SEAVIEW = ("望海手足外科医院", "Wanghai Hand and Foot Surgery Hospital", "望海")
_PINES = ("听松骨科医院", "Tingsong Orthopaedic Hospital", "听松")

# login, home, roles, name, name_en, title, language, zone, phone, licence, specialty
_PEOPLE = (
    (
        "lin",
        "county",
        ("surgeon",),
        "林晓峰",
        "Lin Xiaofeng",
        "主治医师",
        "zh",
        "Asia/Urumqi",
        "+86 000 0000 0101",
        "SAMPLE-0101",
        "orthopaedics",
    ),
    ("ma", "county", ("nurse",), "马兰", "Ma Lan", "护师", "zh", "Asia/Urumqi", "+86 000 0000 0102", "", "orthopaedics"),
    ("tao", "county", ("administrator",), "陶安", "Tao An", "医务科", "zh", "Asia/Urumqi", "+86 000 0000 0103", "", ""),
    ("yan", "county", ("auditor",), "严明", "Yan Ming", "信息科", "zh", "Asia/Urumqi", "+86 000 0000 0104", "", ""),
    ("bai", "county", ("administrator",), "白桦", "Bai Hua", "院办公室", "zh", "Asia/Urumqi", "+86 000 0000 0105", "", ""),
    (
        "shen",
        "seaview",
        ("expert",),
        "沈清扬",
        "Shen Qingyang",
        "主任医师",
        "zh",
        "Asia/Shanghai",
        "+86 000 0000 0201",
        "SAMPLE-0201",
        "hand_surgery",
    ),
    (
        "gu",
        "seaview",
        ("expert",),
        "顾南",
        "Gu Nan",
        "副主任医师",
        "en",
        "Asia/Shanghai",
        "+86 000 0000 0202",
        "SAMPLE-0202",
        "microsurgery",
    ),
    (
        "su",
        "seaview",
        ("expert",),
        "苏远帆",
        "Su Yuanfan",
        "副主任医师",
        "zh",
        "Asia/Shanghai",
        "+86 000 0000 0205",
        "SAMPLE-0205",
        "hand_surgery",
    ),
    ("luo", "seaview", ("coordinator",), "罗宁", "Luo Ning", "远程医疗中心", "zh", "Asia/Shanghai", "+86 000 0000 0203", "", ""),
    ("he", "seaview", ("administrator",), "何静", "He Jing", "医务处", "zh", "Asia/Shanghai", "+86 000 0000 0204", "", ""),
    (
        "qiu",
        "pines",
        ("expert",),
        "邱岳",
        "Qiu Yue",
        "主任医师",
        "zh",
        "Asia/Shanghai",
        "+86 000 0000 0301",
        "SAMPLE-0301",
        "orthopaedic_trauma",
    ),
    ("jiang", "pines", ("coordinator",), "江岚", "Jiang Lan", "远程医疗中心", "zh", "Asia/Shanghai", "+86 000 0000 0302", "", ""),
)


def is_empty(database: Database) -> bool:
    """Whether nobody has set anything up in this database yet."""
    with database.begin(readonly=True) as db:
        return not organisations.every(db)


def people_and_hospitals(db: Tx) -> tuple[Cast, list[Account]]:
    """The hospitals with the agreements of the county's, and everybody who works there, able to sign in."""
    homes = {
        "county": organisations.create(db, name=_COUNTY[0], name_en=_COUNTY[1], city=_COUNTY[2], time_zone="Asia/Urumqi"),
        "seaview": organisations.create(db, name=_SEAVIEW[0], name_en=_SEAVIEW[1], city=_SEAVIEW[2], time_zone="Asia/Shanghai"),
        "pines": organisations.create(db, name=_PINES[0], name_en=_PINES[1], city=_PINES[2], time_zone="Asia/Shanghai"),
    }
    county, seaview, pines = (homes[name].id for name in ("county", "seaview", "pines"))
    ends, covers = ids.now().date() + AGREED_FOR, ("consultation", "follow_up", "transfer")
    for other in (seaview, pines):
        agreements.agree(db, Actor.system(county), other_id=other, ends=ends, covers=covers)
    acting: dict[str, Actor] = {}
    accounts: list[Account] = []
    for login, home, roles, name, name_en, title, language, zone, phone, licence, specialty in _PEOPLE:
        system = Actor.system(homes[home].id)
        person = people.create(
            db, system, login=login, name=name, name_en=name_en, title=title, language=language, time_zone=zone,
            phone=phone, licence_number=licence, specialty=specialty, roles=roles,
        )  # fmt: skip
        password = "-".join(secrets.token_hex(2) for _ in range(4))
        passwords.assign(db, system, person.id, password)
        secret = factors.install(db, system, person.id).secret
        roles_there = actors.roles(db, person.id, homes[home].id)
        acting[login] = Actor(person.id, homes[home].id, roles_there, language=language, time_zone=zone)
        accounts.append(Account(roles[0], homes[home].name_en, login, password, secret, ""))
    return Cast(acting, county, seaview, pines), accounts


def put_on_duty(db: Tx, cast: Cast) -> None:
    """The invited hospital's rosters: hand surgeons by days, the coordinator by weeks; one of the experts is away next week.

    The day's turn is that of the expert who is waited for in the sample cases.
    """
    zone, handover = "Asia/Shanghai", dt.time(8)
    now = ids.now().astimezone(ZoneInfo(zone))
    today = (now - dt.timedelta(hours=handover.hour)).date()
    who = {login: person_id for login, actor in cast.actors.items() if (person_id := actor.person_id)}
    days = Rotation((who["shen"], who["gu"], who["su"]), zone, (handover,), 1, today)
    rosters.create(db, cast["luo"], role="expert", specialty="hand_surgery", rotation=days, phone="+86 000 0000 0200")
    weeks = Rotation((who["luo"],), zone, (handover,), 7, today)
    rosters.create(db, cast["luo"], role="coordinator", rotation=weeks, phone="+86 000 0000 0210")
    since, until = (dt.datetime.combine(today + dt.timedelta(days=day), dt.time(), ZoneInfo(zone)) for day in (6, 9))
    rosters.absent(db, cast["luo"], person_id=who["gu"], since=since, until=until, reason="course")


def with_tokens(db: Tx, cast: Cast, accounts: list[Account]) -> list[Account]:
    """The accounts, each with a fresh API token that may do whatever the person's roles allow."""
    given = []
    for account in accounts:
        actor = cast[account.login]
        scopes, until = policy.actions_of(actor.roles), ids.now() + TOKEN_LIFE
        system = Actor.system(actor.organisation_id)
        _, token = tokens.create(db, system, name="demo", scopes=scopes, expires_at=until, person_id=actor.person_id)
        given.append(replace(account, token=token))
    return given


def write_accounts(folder: Path, accounts: list[Account]) -> Path:
    """Write the sign-ins beside the data, readable by its owner alone, and give the path."""
    path = folder / ACCOUNTS
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump([asdict(account) for account in accounts], file, ensure_ascii=False, indent=1)
        file.write("\n")
    path.chmod(0o600)
    return path


def read_accounts(folder: Path) -> Iterator[Account]:
    """The sign-ins of the world in this folder; none when it was not made by the demo."""
    path = folder / ACCOUNTS
    if path.is_file():
        for account in json.loads(path.read_text(encoding="utf-8")):
            yield Account(**account)
