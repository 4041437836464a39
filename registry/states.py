"""When something may happen: the state tables of cases, referrals, consents and countersignatures, each total. Pure.

Who may is the policy's matter (``auth.rules``); these tables say when. Each maps (state, event) to the state
after it, or to None where the event is refused, for every state and every event.
"""

Table = dict[tuple[str, str], str | None]

URGENCIES = ("routine", "urgent", "emergency")

CASE_STATES = ("draft", "referred", "answered", "treated", "follow-up", "closed")
CASE_OPEN = CASE_STATES[:-1]
"""Every state but closed, by name: an index of states finds the few that are open, never the many that are not closed."""
CASE_EVENTS = ("refer", "lapse", "answer", "treat", "follow", "close")

# lapse: the last open referral was declined or withdrawn. A question asked late never moves a case back.
CASES: Table = {
    ("draft", "refer"): "referred",
    ("draft", "lapse"): None,
    ("draft", "answer"): None,
    ("draft", "treat"): "treated",
    ("draft", "follow"): None,
    ("draft", "close"): "closed",
    ("referred", "refer"): "referred",
    ("referred", "lapse"): "draft",
    ("referred", "answer"): "answered",
    ("referred", "treat"): "treated",
    ("referred", "follow"): None,
    ("referred", "close"): None,
    ("answered", "refer"): "answered",
    ("answered", "lapse"): "answered",
    ("answered", "answer"): "answered",
    ("answered", "treat"): "treated",
    ("answered", "follow"): None,
    ("answered", "close"): "closed",
    ("treated", "refer"): "treated",
    ("treated", "lapse"): "treated",
    ("treated", "answer"): "treated",
    ("treated", "treat"): "treated",
    ("treated", "follow"): "follow-up",
    ("treated", "close"): "closed",
    ("follow-up", "refer"): "follow-up",
    ("follow-up", "lapse"): "follow-up",
    ("follow-up", "answer"): "follow-up",
    ("follow-up", "treat"): "follow-up",
    ("follow-up", "follow"): "follow-up",
    ("follow-up", "close"): "closed",
    ("closed", "refer"): None,
    ("closed", "lapse"): None,
    ("closed", "answer"): None,
    ("closed", "treat"): None,
    ("closed", "follow"): None,
    ("closed", "close"): None,
}

REFERRAL_STATES = ("requested", "allocated", "acknowledged", "escalated", "answered", "declined", "withdrawn")
REFERRAL_EVENTS = ("allocate", "acknowledge", "answer", "decline", "escalate", "withdraw")
REFERRAL_OPEN = frozenset({"requested", "allocated", "acknowledged", "escalated"})

REFERRALS: Table = {
    ("requested", "allocate"): "allocated",
    ("requested", "acknowledge"): None,
    ("requested", "answer"): None,
    ("requested", "decline"): "declined",
    ("requested", "escalate"): "escalated",
    ("requested", "withdraw"): "withdrawn",
    ("allocated", "allocate"): "allocated",
    ("allocated", "acknowledge"): "acknowledged",
    ("allocated", "answer"): "answered",
    ("allocated", "decline"): "declined",
    ("allocated", "escalate"): "escalated",
    ("allocated", "withdraw"): "withdrawn",
    ("acknowledged", "allocate"): "allocated",
    ("acknowledged", "acknowledge"): "acknowledged",
    ("acknowledged", "answer"): "answered",
    ("acknowledged", "decline"): "declined",
    ("acknowledged", "escalate"): "escalated",
    ("acknowledged", "withdraw"): "withdrawn",
    ("escalated", "allocate"): "allocated",
    ("escalated", "acknowledge"): "acknowledged",
    ("escalated", "answer"): "answered",
    ("escalated", "decline"): "declined",
    ("escalated", "escalate"): "escalated",
    ("escalated", "withdraw"): "withdrawn",
    ("answered", "allocate"): None,
    ("answered", "acknowledge"): None,
    ("answered", "answer"): "answered",
    ("answered", "decline"): None,
    ("answered", "escalate"): None,
    ("answered", "withdraw"): None,
    ("declined", "allocate"): "allocated",
    ("declined", "acknowledge"): None,
    ("declined", "answer"): None,
    ("declined", "decline"): None,
    ("declined", "escalate"): None,
    ("declined", "withdraw"): "withdrawn",
    ("withdrawn", "allocate"): None,
    ("withdrawn", "acknowledge"): None,
    ("withdrawn", "answer"): None,
    ("withdrawn", "decline"): None,
    ("withdrawn", "escalate"): None,
    ("withdrawn", "withdraw"): None,
}

CONSENT_STANDINGS = ("none", "given", "refused", "withdrawn", "excused")
CONSENT_STATEMENTS = ("give", "refuse", "withdraw", "excuse")

# excuse: an emergency went on without; the reason is recorded and the consent stays due.
CONSENTS: Table = {
    ("none", "give"): "given",
    ("none", "refuse"): "refused",
    ("none", "withdraw"): None,
    ("none", "excuse"): "excused",
    ("given", "give"): "given",
    ("given", "refuse"): None,
    ("given", "withdraw"): "withdrawn",
    ("given", "excuse"): None,
    ("refused", "give"): "given",
    ("refused", "refuse"): "refused",
    ("refused", "withdraw"): None,
    ("refused", "excuse"): "excused",
    ("withdrawn", "give"): "given",
    ("withdrawn", "refuse"): "refused",
    ("withdrawn", "withdraw"): None,
    ("withdrawn", "excuse"): "excused",
    ("excused", "give"): "given",
    ("excused", "refuse"): "refused",
    ("excused", "withdraw"): None,
    ("excused", "excuse"): "excused",
}

PRESENTATION_STATES = ("waiting", "given", "returned", "lapsed")
PRESENTATION_EVENTS = ("hand-over", "countersign", "return", "lapse")

# A trainee's signed opinion before the senior has spoken. lapse: the question lies with its writer no longer.
PRESENTATIONS: Table = {
    ("waiting", "hand-over"): "waiting",
    ("waiting", "countersign"): "given",
    ("waiting", "return"): "returned",
    ("waiting", "lapse"): "lapsed",
    ("given", "hand-over"): None,
    ("given", "countersign"): None,
    ("given", "return"): None,
    ("given", "lapse"): None,
    ("returned", "hand-over"): None,
    ("returned", "countersign"): None,
    ("returned", "return"): None,
    ("returned", "lapse"): None,
    ("lapsed", "hand-over"): None,
    ("lapsed", "countersign"): None,
    ("lapsed", "return"): None,
    ("lapsed", "lapse"): None,
}

JOINING_STATES = ("asked", "joined", "declined", "lapsed")
JOINING_EVENTS = ("join", "decline", "lapse")

# How an expert stands to a joint opinion. Who declined may still join; lapse: another joint opinion asks them now.
JOININGS: Table = {
    ("asked", "join"): "joined",
    ("asked", "decline"): "declined",
    ("asked", "lapse"): "lapsed",
    ("joined", "join"): None,
    ("joined", "decline"): None,
    ("joined", "lapse"): None,
    ("declined", "join"): "joined",
    ("declined", "decline"): None,
    ("declined", "lapse"): None,
    ("lapsed", "join"): None,
    ("lapsed", "decline"): None,
    ("lapsed", "lapse"): None,
}

REVIEW_STATES = ("waiting", "countersigned", "returned", "replaced")
REVIEW_EVENTS = ("countersign", "return", "replace")

# A trainee's version of an entry, which stands in the record from the first moment. replace: a later version came.
REVIEWS: Table = {
    ("waiting", "countersign"): "countersigned",
    ("waiting", "return"): "returned",
    ("waiting", "replace"): "replaced",
    ("countersigned", "countersign"): None,
    ("countersigned", "return"): None,
    ("countersigned", "replace"): "countersigned",
    ("returned", "countersign"): None,
    ("returned", "return"): None,
    ("returned", "replace"): "replaced",
    ("replaced", "countersign"): None,
    ("replaced", "return"): None,
    ("replaced", "replace"): "replaced",
}
