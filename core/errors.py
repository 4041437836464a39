"""Everything that may go wrong on purpose, as one tree that knows no HTTP and no language.

    ShanhaiError
    ├── Invalid             what was sent breaks a rule; names the fields
    ├── NotFound            absent, or not visible to the actor: the two look alike
    ├── Denied              visible, but this act is not the actor's
    │   ├── SignInNeeded    nobody is signed in, or the session has ended
    │   └── StepUpNeeded    a fresh second factor is asked for
    ├── Conflict            the state of the thing forbids the act
    │   └── PreconditionFailed   somebody else wrote first
    ├── TooLarge            over a declared limit
    ├── Unsupported         a type or form that is not taken
    ├── Throttled           too often; says when to come back
    ├── Unavailable         something the server leans on is down
    └── Damaged             stored bytes are not what was stored

``code`` is a catalogue key in kebab case (``case-not-found``); ``params`` fill its text and never hold
anything about a patient, since an error may be logged.
"""

from collections.abc import Mapping

Param = str | int | float


class ShanhaiError(Exception):
    """The root: a code for the catalogue and the parameters of its sentence."""

    def __init__(self, code: str, **params: Param) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


class Invalid(ShanhaiError):
    """What was sent breaks a rule; ``fields`` maps each field to the code of what is wrong with it."""

    def __init__(self, code: str = "invalid", *, fields: Mapping[str, str] | None = None, **params: Param) -> None:
        super().__init__(code, **params)
        self.fields = dict(fields or {})


class NotFound(ShanhaiError):
    """Absent, or not visible to the actor."""


class Denied(ShanhaiError):
    """Visible to the actor, who may not do this to it."""


class SignInNeeded(Denied):
    """Nobody is signed in, or the session has ended."""


class StepUpNeeded(Denied):
    """The act asks for a second factor given within the last minutes."""


class Conflict(ShanhaiError):
    """The thing is in a state that forbids the act."""


class PreconditionFailed(Conflict):
    """The version the actor saw is no longer the newest."""


class TooLarge(ShanhaiError):
    """Over a declared limit."""


class Unsupported(ShanhaiError):
    """A type or form that is not taken."""


class Throttled(ShanhaiError):
    """Too often; ``retry_after`` is in whole seconds."""

    def __init__(self, code: str = "throttled", *, retry_after: int, **params: Param) -> None:
        super().__init__(code, retry_after=retry_after, **params)
        self.retry_after = retry_after


class Unavailable(ShanhaiError):
    """Something the server leans on (store, keyring, worker) does not answer."""


class Damaged(ShanhaiError):
    """Stored bytes fail their authentication or their format."""
