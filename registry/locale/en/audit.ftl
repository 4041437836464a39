audit-title = Who saw what
audit-proof = Is this log whole?
audit-check-now = Check the log now
audit-who-saw = Who saw …
audit-number = Record number or national id
audit-or = or
audit-exact = Name and date of birth have to be exact; nothing is found by a name alone.
audit-who-saw-go = Show who saw this patient
audit-several = { $count } patients: which one?
audit-nobody = No patient of this hospital is found by that.
audit-what-did = What did … see
audit-what-did-help = Colleagues, and visitors found in this hospital's log.
audit-visitor = visitor
audit-of-patient = Who saw { $name }
audit-of-person = What { $name } saw and did
audit-sum = { $total ->
    [0] Nothing is recorded.
    [one] 1 act, by { $people ->
        [one] 1 person
       *[other] { $people } people
    } of { $hospitals ->
        [one] 1 hospital
       *[other] { $hospitals } hospitals
    }.
   *[other] { $total } acts, by { $people ->
        [one] 1 person
       *[other] { $people } people
    } of { $hospitals ->
        [one] 1 hospital
       *[other] { $hospitals } hospitals
    }.
}
audit-plot = Acts by day, last 30 days
audit-sum-part = Earlier acts follow on the next page.
audit-more = Earlier
audit-no-earlier = There are no earlier acts.
audit-empty = Nobody yet
audit-failed = failed
audit-case-abroad = of another hospital
proof-whole = This log is whole up to { $at }, checked against the checkpoint you keep.
proof-not-kept = This log agrees with itself, but no checkpoint is kept yet to check it against.
proof-size = { $size } events, { $covered } of them under { $checkpoints } kept checkpoints.
proof-uncovered = The youngest { $count } are not covered yet.
proof-broken = This log is not what it was: { $count } findings
proof-altered = Event { $at } is not what was logged there.
proof-removed = The event logged at { $at } is gone.
proof-inserted = An event stands at { $at } that was never logged there.
proof-moved = The event at { $at } was logged at { $other }.
proof-stretch = Something from { $other } up to before { $at } is not as it was signed.
proof-truncated = The events from { $other } up to before { $at } are gone.
proof-head = The head of the log is not that of its events.
proof-kept-broken = A line of the kept checkpoints cannot be read.
proof-kept-signature = A signature in the kept checkpoints does not hold.
proof-kept-conflict = Two kept checkpoints contradict each other.
proof-kept-key = The kept checkpoints bear another key than this hospital's.
proof-broken-do = Keep the folder of checkpoints as it is, and tell whoever answers for the security of this server.
audit-did-other = did { $action }
audit-did-case-read = opened the case { $case }
audit-did-case-list = saw a list of { $shown } patients
audit-did-case-worklist = saw the work list with { $shown } patients
audit-did-case-create = opened the new case { $case }
audit-did-case-refer = referred the case { $case }
audit-did-case-lapse = put the case { $case } back to draft
audit-did-case-answer = answered the case { $case }
audit-did-case-treat = recorded treatment in { $case }
audit-did-case-follow = put the case { $case } into follow-up
audit-did-case-close = closed the case { $case }
audit-did-case-urgency = changed the urgency of { $case }
audit-did-patient-identify = saw who the patient is { $case }
audit-did-patient-search = searched for a patient: { $count } shown
audit-did-patient-create = entered a new patient
audit-did-patient-amend = corrected a patient's identity
audit-did-image-read = looked through pictures of { $case }
audit-did-image-search = searched for pictures
audit-did-image-upload = sent a file into { $case }
audit-did-image-file = filed a picture into { $case }
audit-did-image-discard = let go of a file of { $case }
audit-did-annotation-read = saw the marks of { $case }
audit-did-annotation-create = drew a mark in { $case }
audit-did-annotation-change = changed a mark in { $case }
audit-did-annotation-withdraw = withdrew a mark in { $case }
audit-did-message-read = read the discussion of { $case }
audit-did-message-post = wrote in the discussion of { $case }
audit-did-entry-draft = wrote on a draft in { $case }
audit-did-entry-submit = entered a document into { $case }
audit-did-entry-correct = corrected a document of { $case }
audit-did-entry-discard = threw a draft of { $case } away
audit-did-referral-request = asked another hospital about { $case }
audit-did-referral-allocate = gave the question on { $case } to { $subject }
audit-did-referral-acknowledge = acknowledged the question on { $case }
audit-did-referral-answer = answered the question on { $case }
audit-did-referral-decline = declined the question on { $case }
audit-did-referral-escalate = noted silence past the deadline on { $case }
audit-did-referral-withdraw = took the question on { $case } back
audit-did-opinion-read = read the opinion on { $case }
audit-did-opinion-draft = wrote on an opinion on { $case }
audit-did-opinion-sign = signed the opinion on { $case }
audit-did-opinion-addendum = signed an addendum on { $case }
audit-did-decision-record = decided on the opinion on { $case }
audit-did-follow-up-plan = planned the follow-up of { $case }
audit-did-consent-give = recorded a consent in { $case }: { $purpose }
audit-did-consent-refuse = recorded a refusal in { $case }: { $purpose }
audit-did-consent-withdraw = recorded a withdrawal of consent in { $case }: { $purpose }
audit-did-consent-excuse = went on without consent in an emergency, { $case }: { $purpose }
audit-did-grant-give = let { $subject } into the case { $case }
audit-did-grant-revoke = ended access of { $subject } to { $case }
audit-did-notice-read = read notices
audit-did-audit-read = asked this log
audit-did-audit-verify = checked the log
audit-did-session-start = signed in
audit-did-session-end = signed { $subject } out
audit-did-session-end-all = ended other sessions of { $subject }
audit-did-session-switch = changed to another hospital
audit-did-session-step-up = gave the second factor again
audit-did-session-refuse = refused a sign-in of { $subject }
audit-did-password-change = changed the password
audit-did-person-create = added { $subject }
audit-did-person-disable = shut { $subject } out
audit-did-person-enable = let { $subject } in again
audit-did-person-set-language = chose a language
audit-did-person-set-time-zone = chose a time zone
audit-did-role-appoint = gave { $subject } a role
audit-did-role-dismiss = took a role from { $subject }
audit-did-factor-add = added an authenticator
audit-did-factor-retire = retired an authenticator
audit-did-account-link = linked an account at the hospital
audit-did-account-unlink = ended a link of { $subject } to an account at the hospital
audit-did-identity-provider-set-up = set up a sign-in through the hospital
audit-did-identity-provider-remove = removed a sign-in through the hospital
audit-did-token-create = made an API token
audit-did-token-revoke = ended an API token
audit-did-enrolment-issue = invited { $subject } to enrol
audit-did-enrolment-complete = enrolled
audit-did-enrolment-refuse = was refused a code when enrolling
audit-did-person-reset = gave { $subject } a new password and authenticator
audit-did-organisation-create = founded the hospital
audit-did-agreement-record = recorded an agreement for both hospitals
audit-did-agreement-propose = proposed an agreement
audit-did-agreement-confirm = confirmed an agreement
audit-did-agreement-refuse = refused an agreement
audit-did-agreement-withdraw = withdrew a proposed agreement
audit-did-agreement-end = ended an agreement
audit-did-agreement-read = downloaded a signed agreement
audit-did-agreement-excuse = asked another hospital in an emergency without an agreement, case { $case }
audit-did-agreement-settle = settled a referral that went without an agreement
audit-did-machine-register = registered a machine
audit-did-machine-renew = replaced a machine's certificate
audit-did-machine-revoke = revoked a machine
audit-somebody = another hospital
audit-did-inbox-file = filed a study of the inbox into { $case }
audit-did-inbox-read = saw the files to sort
audit-did-person-amend = corrected the profile of { $subject }
audit-did-organisation-separate-duties = separated the duties of administrators and auditors
audit-did-organisation-join-duties = let administrators audit as well
audit-did-proposal-make = proposed a change that takes two administrators
audit-did-proposal-confirm = confirmed a proposal
audit-did-proposal-refuse = refused a proposal
audit-did-proposal-withdraw = took a proposal back
audit-did-proposal-expire = let a proposal expire
audit-did-invitation-make = made an invitation { $case }
audit-did-invitation-accept = accepted an invitation { $case }
audit-did-invitation-withdraw = took an invitation back { $case }
audit-did-invitation-refuse = was refused an invitation { $case }
