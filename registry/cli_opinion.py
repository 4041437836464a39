"""The command ``shanhai opinion``: check a signed opinion from its proof alone, without a server or a database."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from registry import proofs

app = typer.Typer(no_args_is_help=True, help="Signed opinions: verify.")


@app.callback()
def group() -> None:
    """Keep ``verify`` a word of its own while it is the only one."""


@app.command()
def verify(
    proof: Annotated[Path, typer.Argument(help="The proof, as downloaded beside the opinion", exists=True, dir_okay=False)],
    key: Annotated[
        list[str] | None, typer.Option(help="The hospital's public key, as 'shanhai keys status' prints it there; once for each hospital")
    ] = None,
) -> None:
    """Check that a signed opinion is what was signed, from its proof alone; status 1 when it is not.

    A signature proves who signed only together with the hospital's key: give it with --key, having it from the hospital itself.

    Example:  shanhai opinion verify SH-2026-0001-opinion.json --key 174553b4…
    """
    found, given = proofs.check(proof.read_bytes()), {one.strip().lower() for one in key or ()}
    print(f"Signature: {_word(found.signature_holds)}")
    if found.countersignature_holds is not None:
        print(f"Countersignature: {_word(found.countersignature_holds)}")
    for person, good in found.joinings:
        print(f"Joined by {person['name']}: {'not yet' if good is None else _word(good)}")
    known = found.keys <= given
    for used in sorted(found.keys):
        print(f"Key {used}: {_whose(used, given)}")
    if not found.holds or (given and not known):
        # words that nobody signed are not worth showing
        sys.exit("shanhai: this opinion is not what was signed")
    content = found.content
    print(f"Opinion {content['opinion']['id']} on case {content['case']['number']}")
    print(f"  signed at {content['signed_at']}, SHA-256 {found.sha256}")
    for person in filter(None, (content["signer"], found.countersigner, *(who for who, good in found.joinings if good))):
        print(f"  {person['name']} {person['title']}, licence {person['licence_number'] or '-'}, {person['organisation']['name']}")
    for section in content["sections"]:
        print(f"  {section['label']}: {section['text']}")
    print(
        "This opinion is what was signed."
        if known
        else "It is what the holders of these keys signed. Compare each key with its hospital's."
    )


def _word(holds: bool) -> str:
    return "good" if holds else "BROKEN"


def _whose(key: str, given: set[str]) -> str:
    if not given:
        return "not compared; give the hospital's with --key"
    return "the hospital's" if key in given else "NOT one of those given"
