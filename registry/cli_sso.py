"""The command ``shanhai org sso``: sign-in through a hospital's own identity provider."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from auth import oidc, providers
from auth.discovery import Directory
from auth.outward import Caller
from core.actor import Actor
from core.errors import Invalid, Unavailable
from core.settings import Settings
from registry.app import open_database

Remove = Annotated[bool, typer.Option("--remove", help="Take it away, with every link that people made through it")]
SecretFile = Annotated[Path | None, typer.Option(help="File that holds the client's secret alone", exists=True, dir_okay=False)]
Mfa = Annotated[list[str] | None, typer.Option(help="A value of amr or acr that says a second factor was given; may be repeated")]


def sso(
    org: str,
    issuer: Annotated[str, typer.Option(help="Issuer of the provider, as its discovery document writes it")] = "",
    client_id: Annotated[str, typer.Option(help="What Shanhai is called there")] = "",
    client_secret_file: SecretFile = None,
    name: Annotated[str, typer.Option(help="Name on the sign-in page")] = "",
    name_en: Annotated[str, typer.Option(help="Name in English")] = "",
    mfa: Mfa = None,
    remove: Remove = False,
) -> None:
    """Let the people of a hospital sign in with their account there (OpenID Connect), change how, or take it away.

    With the hospital alone it lists what is set up, and the address to register at the provider. Without --mfa
    Shanhai asks for its own second factor.

    Example:  shanhai org sso 0190… --issuer https://id.hospital.example --client-id shanhai
    --client-secret-file secret.txt --name 台州骨科医院 --name-en "Taizhou Orthopaedic Hospital" --mfa mfa
    """
    settings = Settings()
    system, database = Actor.system(UUID(org)), open_database(settings)
    caller = Caller(at_home=settings.on_loopback)
    try:
        with database.begin() as db:
            if remove:
                providers.remove(db, system, issuer=issuer)
            elif issuer:
                if not caller.fits(issuer) or "?" in issuer:
                    raise Invalid(fields={"issuer": "issuer-invalid"})
                secret = client_secret_file.read_text("utf-8").strip() if client_secret_file else ""
                named = {"client_id": client_id, "client_secret": secret, "name": name, "name_en": name_en}
                providers.set_up(db, system, issuer=issuer, second_factors=mfa or (), **named)
            for one in providers.listed(db, system.organisation_id):
                print(f"{one.issuer}  {one.name}  {one.name_en}\n  redirect address: {oidc.redirect_uri(settings.base_url, one.id)}")
    finally:
        database.close()
    if issuer and not remove:
        _try(Directory(caller), issuer)


def _try(directory: Directory, issuer: str) -> None:
    """Say whether the provider answers as it should: better now than at the first sign-in."""
    try:
        directory.keys(directory.describe(issuer), None)
    except Unavailable as away:
        print(f"It is set up, but does not answer as it should: {away.params['why']}. See docs/operations.md.")
    else:
        print("It answers.")
