"""The command ``shanhai``: serve, demo, migrate, and the chores of people, hospitals, keys and audit."""

import datetime as dt
import logging
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
import uvicorn
from pydantic import ValidationError
from sqlalchemy import select

from auth import actors, agreements, enrolments, factors, organisations, passwords, people, policy, tokens
from core import checkpoints, ids, verification
from core.actor import Actor
from core.db import Database, Tx
from core.errors import NotFound, ShanhaiError
from core.keyring import open_provider
from core.ledger import Head
from core.settings import Settings
from imaging import previews as renditions
from imaging.sandbox import Pool
from registry import cli_dictionary, cli_opinion, cli_people, cli_policy, cli_sso, demo_world, sample, schema, walls
from registry import worker as workers
from registry.app import bring_up_to_date, create_app, listening, open_database

HOST = "127.0.0.1"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Shanhai, a telemedicine case registry for limb trauma and reconstruction.",
)
user_app = typer.Typer(no_args_is_help=True, help="People: add, list, disable, reset, token, proposals, approve.")
org_app = typer.Typer(no_args_is_help=True, help="Hospitals: add, list, agree, sso.")
keys_app = typer.Typer(no_args_is_help=True, help="Keys: init, status.")
audit_app = typer.Typer(no_args_is_help=True, help="The audit log: verify, checkpoint, export.")
user_app.add_typer(cli_people.app)
app.add_typer(cli_opinion.app, name="opinion")
for name, group in {"user": user_app, "org": org_app, "keys": keys_app, "audit": audit_app}.items():
    app.add_typer(group, name=name)
org_app.command("sso")(cli_sso.sso)
app.command("policy")(cli_policy.show)
app.command("dictionary")(cli_dictionary.show)

Port = Annotated[int, typer.Option(help="Port to listen on", min=1, max=65535)]
KeptFolder = Annotated[Path | None, typer.Option("--checkpoints", help="Folder of kept checkpoints, if another", exists=True)]
OrganisationId = Annotated[str, typer.Option("--org", help="Id of the hospital, as 'shanhai org list' shows it")]


def main() -> None:
    """The entry point: errors become one plain line and a status, never a traceback. What is written is the owner's alone."""
    os.umask(0o077)
    try:
        app()
    except ShanhaiError as error:
        details = ", ".join(f"{key}={value}" for key, value in error.params.items())
        fields = "".join(f"\n  {name}: {code}" for name, code in getattr(error, "fields", {}).items())
        sys.exit(f"shanhai: {error.code}{f' ({details})' if details else ''}{fields}")
    except ValidationError as error:
        problems = "\n".join(f"  {problem['msg']}" for problem in error.errors(include_input=False, include_url=False))
        sys.exit(f"shanhai: these settings are not safe to start with\n{problems}")


def _opened(settings: Settings | None = None) -> closing[Database]:
    return closing(open_database(settings or Settings()))


@app.command()
def serve(port: Port = 8000, host: Annotated[str, typer.Option(help="Address to listen on; put a TLS proxy in front")] = HOST) -> None:
    """Serve the pages and interfaces, with the worker inside.

    Example:  SHANHAI_BASE_URL=https://shanhai.example.org shanhai serve --port 8000
    """
    settings = Settings()
    with _opened(settings) as database:
        if not schema.is_current(database):
            sys.exit("shanhai: the database is not at the newest schema. Run: shanhai migrate")
        walls.check(database)
        _run(settings, database, Pool(settings.sandbox_workers), host, port)


@app.command()
def demo(
    port: Port = 8000,
    data_dir: Annotated[Path, typer.Option(help="Folder of the sample world; made when it is empty")] = Path("demo-data"),
) -> None:
    """Start a server with sample hospitals, people and cases on this machine alone.

    Example:  shanhai demo --port 8000 --data-dir demo-data
    """
    folder = data_dir.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # defaults alone, whatever the environment says: the demo never writes into a hospital's database
    settings = Settings.model_construct(data_dir=folder, base_url=f"http://localhost:{port}")
    open_provider(settings.keyring, create=True)
    bring_up_to_date(settings)
    database = open_database(settings)
    pool = Pool(settings.sandbox_workers)
    pool.start()
    if sample.is_empty(database):
        demo_world.make_apart(settings)
    elif not (folder / sample.ACCOUNTS).exists():
        sys.exit(f"shanhai: the sample world in {folder} was not finished, or is none. Delete that folder or name another with --data-dir.")
    demo_world.print_accounts(settings)
    _run(settings, database, pool, HOST, port)


def _run(settings: Settings, database: Database, pool: Pool, host: str, port: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    worker = workers.worker(database, pool, settings.checkpoints, workers.outside(settings))
    worker.start()
    try:
        uvicorn.run(create_app(settings, database, pool), host=host, port=port, **listening(settings))
    finally:
        worker.stop()
        pool.close()
        database.close()


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema, in one transaction; on PostgreSQL by SHANHAI_OWNER_DATABASE_URL.

    Example:  shanhai migrate
    """
    bring_up_to_date(Settings())
    print("The database is at the newest schema.")


@app.command()
def worker() -> None:
    """Work jobs in a process of its own, where one machine is outgrown.

    Example:  shanhai worker
    """
    settings = Settings()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with _opened(settings) as database:
        walls.check(database)
        pool = Pool(settings.sandbox_workers)
        try:
            workers.worker(database, pool, settings.checkpoints, workers.outside(settings)).run()
        except KeyboardInterrupt:
            pass
        finally:
            pool.close()


@user_app.command("add")
def user_add(
    login: str,
    org: OrganisationId,
    role: Annotated[list[str], typer.Option(help="A role; may be given several times")],
    name: Annotated[str, typer.Option(help="Name as it is shown")],
    name_en: Annotated[str, typer.Option(help="Name in Latin letters")] = "",
    language: Annotated[str, typer.Option(help="zh or en")] = "zh",
) -> None:
    """Add a person; prints a first password and the authenticator secret, once.

    Example:  shanhai user add lin --org 0190… --role surgeon --name 林晓峰
    """
    plain = passwords.mint()
    with _opened() as database, database.begin() as db:
        system = Actor.system(UUID(org))
        person = people.create(db, system, login=login, name=name, name_en=name_en, language=language, roles=role)
        passwords.assign(db, system, person.id, plain)
        offer = factors.install(db, system, person.id)
        print(f"{person.id}  {login}\npassword: {plain}\nauthenticator secret: {offer.secret}")


@user_app.command("list")
def user_list(org: OrganisationId) -> None:
    """List the people of a hospital with their roles.

    Example:  shanhai user list --org 0190…
    """
    with _opened() as database, database.begin() as db:
        for person, roles in people.staff(db, Actor.system(UUID(org))):
            print(f"{person.id}  {person.login:<16}{','.join(sorted(roles)):<28}{person.name}{'  disabled' if person.disabled_at else ''}")


@user_app.command("disable")
def user_disable(login: str) -> None:
    """Shut a person out at once: sessions and tokens end, the work stays.

    Example:  shanhai user disable lin
    """
    with _opened() as database, database.begin() as db:
        person = _person(db, login)
        people.disable(db, Actor.system(person.organisation_id), person.id)
    print(f"{login} is disabled.")


@user_app.command("reset")
def user_reset(login: str) -> None:
    """Give a person a new password and authenticator, when the old are lost; prints both, once. Every session ends.

    Make sure who is asking first: whoever holds what is printed is that person. A disabled account stays so.

    Example:  shanhai user reset lin
    """
    plain = passwords.mint()
    with _opened() as database, database.begin() as db:
        person = _person(db, login)
        offer = enrolments.reset(db, Actor.system(person.organisation_id), person.id, plain)
    print(f"{person.id}  {login}\npassword: {plain}\nauthenticator secret: {offer.secret}")


@user_app.command("token")
def user_token(
    login: str,
    scope: Annotated[list[str] | None, typer.Option(help="An action such as image:read; without any, all the person's roles allow")] = None,
    days: Annotated[int, typer.Option(help="Days until it expires", min=1, max=365)] = 30,
) -> None:
    """Make an API token for a person; it is printed this once.

    Example:  shanhai user token lin --scope image:upload --days 7
    """
    with _opened() as database, database.begin() as db:
        person = _person(db, login)
        scopes = scope or policy.actions_of(actors.roles(db, person.id, person.organisation_id))
        until = ids.now() + dt.timedelta(days=days)
        system = Actor.system(person.organisation_id)
        _, plain = tokens.create(db, system, name="command line", scopes=scopes, expires_at=until, person_id=person.id)
    print(plain)


@user_app.command("code")
def user_code(login: str, data_dir: Annotated[Path, typer.Option(help="Folder of the sample world")] = Path("demo-data")) -> None:
    """Print the present authenticator code of somebody in the sample world.

    Example:  shanhai user code lin --data-dir demo-data
    """
    account = next((account for account in sample.read_accounts(data_dir) if account.login == login), None)
    if account is None:
        raise NotFound("person-not-found")
    print(factors.present_code(account.totp_secret))


@org_app.command("add")
def org_add(
    name: str,
    name_en: Annotated[str, typer.Option(help="Name in Latin letters")],
    city: Annotated[str, typer.Option(help="City")],
    time_zone: Annotated[str, typer.Option(help="IANA zone")] = "Asia/Shanghai",
) -> None:
    """Add a hospital with its keys; prints its id.

    Example:  shanhai org add 沙枣县人民医院 --name-en "Shazao County People's Hospital" --city 沙枣 --time-zone Asia/Urumqi
    """
    with _opened() as database, database.begin() as db:
        print(organisations.create(db, name=name, name_en=name_en, city=city, time_zone=time_zone).id)


@org_app.command("list")
def org_list() -> None:
    """List the hospitals.

    Example:  shanhai org list
    """
    with _opened() as database, database.begin(readonly=True) as db:
        for organisation in organisations.every(db):
            print(f"{organisation.id}  {organisation.name}  {organisation.name_en}")


@org_app.command("agree")
def org_agree(
    one: str,
    other: str,
    until: Annotated[dt.datetime | None, typer.Option(help="Last day, YYYY-MM-DD; open when left out", formats=["%Y-%m-%d"])] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="What it covers: consultation, or another code; may be given several times")
    ] = None,
    document: Annotated[Path | None, typer.Option(help="The signed agreement: PDF, JPEG or PNG", exists=True, dir_okay=False)] = None,
) -> None:
    """Record an agreement that two hospitals have both confirmed, from today.

    Example:  shanhai org agree 0190… 0190… --until 2028-12-31 --document agreement.pdf
    """
    last, signed = until.date() if until else None, document.read_bytes() if document else None
    with _opened() as database, database.begin() as db:
        agreements.agree(db, Actor.system(UUID(one)), other_id=UUID(other), covers=scope or ["consultation"], ends=last, document=signed)
    print("Recorded.")


@keys_app.command("init")
def keys_init() -> None:
    """Make the root key file, readable by its owner alone. Back it up apart from the data.

    Example:  SHANHAI_KEYRING_URL=file:///etc/shanhai/root.key shanhai keys init
    """
    url = Settings().keyring
    open_provider(url, create=True)
    print(f"The root key is at {url}. Without it nothing can be read again: keep a copy in a safe place.")


@keys_app.command("status")
def keys_status() -> None:
    """Count the keys of each hospital, by kind, and print the public key that its opinions are signed with.

    Example:  shanhai keys status
    """
    with _opened() as database, database.begin(readonly=True) as db:
        for organisation in organisations.every(db):
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(db.keyring.count(db, organisation.id).items()))
            print(f"{organisation.id}  {organisation.name_en}: {counts}")
            print(f"    signs opinions with {db.keyring.public_key(db, organisation.id).hex()}")


@app.command()
def previews(org: OrganisationId) -> None:
    """Throw the previews of a hospital away; the worker makes them anew.

    Example:  shanhai previews --org 0190…
    """
    with _opened() as database, database.begin() as db:
        print(f"{renditions.rebuild(db, UUID(org))} pictures are made anew.")


@audit_app.command("verify")
def audit_verify(
    org: Annotated[UUID | None, typer.Option("--org", help="Id of one hospital; all when left out")] = None,
    kept: KeptFolder = None,
) -> None:
    """Check that every log is whole, those kept of a hospital that is gone too; ends with status 1 when one is not.

    Example:  shanhai audit verify --checkpoints /media/usb/checkpoints
    """
    folder, whole = kept or Settings().checkpoints, True
    with _opened() as database, database.begin() as db:
        names = {organisation.id: organisation.name_en for organisation in organisations.every(db)}
        found = {*names, *db.scalars(select(Head.organisation_id))}
        for path in sorted(folder.glob("*.jsonl")):
            try:
                found.add(UUID(path.stem))
            except ValueError:
                whole = False
                print(f"{path.name}: NOT A LOG; its name is not the id of a hospital")
        if org is not None and org not in found:
            sys.exit(f"shanhai: neither the database nor {folder} holds a log of {org}")
        for organisation_id in sorted(found, key=lambda one: (one not in names, one)) if org is None else [org]:
            whole &= _verify(db, organisation_id, names.get(organisation_id), folder)
    sys.exit(0 if whole else 1)


def _verify(db: Tx, organisation_id: UUID, name: str | None, folder: Path) -> bool:
    """Check one log and say how it stands; False unless it is whole and its hospital there."""
    who = name or f"{organisation_id}, a hospital that the database no longer holds"
    try:
        report = verification.verify(db, organisation_id, checkpoints.kept(folder, organisation_id))
    except ShanhaiError as error:
        print(f"{who}: NOT WHOLE; it cannot be checked: {error.code}")
        return False
    covered = f"{report.covered} of {report.size} events stand under a kept checkpoint"
    print(f"{who}: {'whole' if report.whole else 'NOT WHOLE'}; {covered}; root {report.root.hex()}")
    for finding in report.findings:
        print(f"  {finding.kind} at {finding.leaf_index}: event {finding.event_id} {finding.other if finding.other is not None else ''}")
    return report.whole and name is not None


@audit_app.command("checkpoint")
def audit_checkpoint() -> None:
    """Push every log that has grown to the checkpoint folder now.

    Example:  shanhai audit checkpoint
    """
    folder = Settings().checkpoints
    with _opened() as database:
        print(f"{checkpoints.push_grown(database, folder)} logs pushed to {folder}")


@audit_app.command("export")
def audit_export(org: OrganisationId) -> None:
    """Print the log of a hospital, one canonical JSON leaf per line, in the order of its tree.

    Example:  shanhai audit export --org 0190… > log.jsonl
    """
    with _opened() as database, database.begin(readonly=True) as db:
        for leaf in verification.leaves(db, UUID(org)):
            sys.stdout.buffer.write(leaf + b"\n")


def _person(db: Tx, login: str) -> people.Person:
    person = people.by_login(db, login)
    if person is None:
        raise NotFound("person-not-found")
    return person


if __name__ == "__main__":
    main()
