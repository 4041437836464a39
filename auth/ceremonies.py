"""The ceremonies of W3C WebAuthn Level 3: what a browser is asked for, and whether what it answers holds.

Whoever holds the key (a person: `auth.passkeys`; a ward device: `auth.devices`), the key is made for this site alone, no
attestation is asked for, and a challenge (`auth.challenges`) is good for one answer. ``verify`` alone decides about a
signature; it takes any challenge, which may be the digest of a document.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    options_to_json_dict,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticationCredential,
    AuthenticatorAttachment,
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from auth import challenges, csrf, factors
from core.db import Tx

ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
]
OF_A_PERSON = AuthenticatorSelectionCriteria(
    resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
)
ON_THIS_DEVICE = AuthenticatorSelectionCriteria(
    authenticator_attachment=AuthenticatorAttachment.PLATFORM,
    resident_key=ResidentKeyRequirement.DISCOURAGED,
    user_verification=UserVerificationRequirement.DISCOURAGED,
)
LONGEST_ANSWER = 64 << 10
LONGEST_ID = 1023  # §6.1.1
TIMEOUT = int(challenges.LIFE.total_seconds()) * 1000


@dataclass(frozen=True, slots=True)
class Site:
    """Whom a passkey is made for: the relying party's id, and the one origin it may be used at."""

    rp_id: str
    origin: str


def site_of(base_url: str) -> Site:
    """The site people reach by this address."""
    return Site(urlsplit(base_url).hostname or "", csrf.origin_of(base_url))


def creation(
    *,
    challenge: bytes,
    site: Site,
    user_id: bytes,
    name: str,
    shown: str = "",
    but: Sequence[PublicKeyCredentialDescriptor] = (),
    on_this_device: bool = False,
) -> dict[str, Any]:
    """What a browser is asked for to make a passkey (PublicKeyCredentialCreationOptionsJSON).

    A person's names its person by itself and verifies its user; one ``on_this_device`` stays there and asks for a touch.
    """
    options = generate_registration_options(
        rp_id=site.rp_id,
        rp_name=factors.ISSUER,
        user_id=user_id,
        user_name=name,
        user_display_name=shown or name,
        challenge=challenge,
        timeout=TIMEOUT,
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=ON_THIS_DEVICE if on_this_device else OF_A_PERSON,
        exclude_credentials=list(but),
        supported_pub_key_algs=ALGORITHMS,
    )
    return options_to_json_dict(options)


def request(*, challenge: bytes, site: Site, of: Sequence[PublicKeyCredentialDescriptor] = (), verified: bool = True) -> dict[str, Any]:
    """What a browser is asked for to show a passkey, one ``of`` those where some are named (PublicKeyCredentialRequestOptionsJSON)."""
    options = generate_authentication_options(
        rp_id=site.rp_id,
        challenge=challenge,
        timeout=TIMEOUT,
        allow_credentials=list(of),
        user_verification=UserVerificationRequirement.REQUIRED if verified else UserVerificationRequirement.DISCOURAGED,
    )
    return options_to_json_dict(options)


def registration(
    db: Tx, given: str, *, purpose: str, person_id: UUID | None, bound_to: UUID | None, site: Site, verified: bool = True
) -> VerifiedRegistration | None:
    """What the browser made, when it answers a challenge of this purpose, person and session and holds (§7.1); None when not."""
    try:
        answer = parse_registration_credential_json(given if len(given) <= LONGEST_ANSWER else "")
        challenge = challenge_of(answer)
    except Exception:  # noqa: BLE001 (a parser of hostile bytes raises what it likes; whatever it is, it proves nothing)
        return None
    if not challenges.take(db, challenge, purpose, person_id=person_id, bound_to=bound_to):
        return None
    try:
        if parse_client_data_json(answer.response.client_data_json).cross_origin:
            return None
        made = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            require_user_verification=verified,
            supported_pub_key_algs=ALGORITHMS,
        )
        decoded_public_key_to_cryptography(decode_credential_public_key(made.credential_public_key))
    except Exception:  # noqa: BLE001 (as above)
        return None
    return made if len(made.credential_id) <= LONGEST_ID else None


def transports(given: str) -> list[str]:
    """How the browser says the key it made is reached (§5.8.4), of an answer that holds."""
    told = parse_registration_credential_json(given).response.transports or []
    return sorted({transport.value for transport in told})


def travels(made: VerifiedRegistration) -> bool:
    """Whether a passkey may be copied to another device (§6.1.3, backup eligibility)."""
    return made.credential_device_type is not CredentialDeviceType.SINGLE_DEVICE


def verify(
    answer: AuthenticationCredential, *, challenge: bytes, public_key: bytes, site: Site, verified: bool = True
) -> VerifiedAuthentication | None:
    """Whether the holder of the key, present and (``verified``) verified by it, signed this challenge for this site (§7.2); None when not.

    The count is the caller's to compare, after this: else anybody could have a person told that it went back.
    """
    try:
        if parse_client_data_json(answer.response.client_data_json).cross_origin:
            return None
        return verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=verified,
        )
    except Exception:  # noqa: BLE001 (as above)
        return None


def read(given: str) -> AuthenticationCredential | None:
    """What a browser answered to ``request``; None for what makes no sense."""
    try:
        answer = parse_authentication_credential_json(given[: LONGEST_ANSWER + 1]) if len(given) <= LONGEST_ANSWER else None
        return answer if answer is not None and challenge_of(answer) else None
    except Exception:  # noqa: BLE001 (as above)
        return None


def challenge_of(answer: AuthenticationCredential | RegistrationCredential) -> bytes:
    """The challenge an answer says it answers."""
    return parse_client_data_json(answer.response.client_data_json).challenge
