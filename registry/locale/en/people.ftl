shell-people = People
shell-hospital-settings = Settings

people-add = Add a person
people-add-go = Add this person
people-add-by-two = Administrators and auditors are made on the person's page afterwards, by two administrators.
people-invite = Invite by e-mail
people-search = Name or sign-in name
people-role = Role
people-every-role = Every role
people-find = Find
people-found = { $count } of { $total }
people-all = Show everybody
people-last = Last sign-in
people-never = Has never signed in
people-visitor = Account at another hospital
people-no-role = No role
people-no-phone = No telephone
people-nobody = Nobody fits
people-nobody-how = Try another part of the name, its first letters, or another role.
people-disabled = Shut out ({ $count })

person-known-as = Signs in as { $login }
person-elsewhere = Also works at
person-profile = Profile
person-profile-go = Save the profile
person-name-en = Name in Latin letters
person-name-en-help = As colleagues abroad read it.
person-phone = Telephone
person-phone-help = One tap away wherever somebody waits for this person.
person-email = E-mail
person-email-help = An invitation is accepted by this address.
person-title = Title
person-specialty = Specialty
person-specialty-none = None
person-licence = Licence number
person-since = Practising since (year)
person-green-short = Under three years of practice
person-green = { $years ->
    [0] In the first year of practice
    [one] One year of practice
   *[other] { $years } years of practice
}: an expert who advises another hospital is asked to have three.
person-green-source = Rules for telemedicine services (国卫医发〔2018〕25号). Your hospital answers for whom it lets advise.
person-myself = This is you. Nobody changes their own rights: another administrator does.
person-is-disabled = Shut out { $at }.
person-role-held = ✓ held
person-role-give = Give
person-role-take = Take away
person-role-propose = Propose
person-role-waits = waits for a second administrator
person-two-hands = Administrator and auditor take two: one administrator proposes, another one confirms within seven days.
person-ways-in = Signing in
person-factor = Authenticator
person-factor-since = Set up { $at }
person-factor-none = None yet
person-sessions = Signed in now
person-sessions-live = { $count ->
    [0] Nowhere
    [one] On 1 device
   *[other] On { $count } devices
}
person-sessions-end = Sign out everywhere
person-enrol = Hand out an enrolment code
person-enrol-help = With a code, the person chooses a password. Whoever has an authenticator or a passkey has to show it as well; if it is lost, retire it first.
person-retire = Retire lost authenticator and passkeys
person-peer = An administrator's or auditor's authenticator is replaced by the operator alone: shanhai user reset { $login }
person-secret-made = Enrolment code for { $name }
person-secret-how = To be typed at { $address } within { $days } days. Hand it over in person or by telephone.
person-secret-once = Shown this once. Whoever has it can use it.
person-disable-title = Shut out
person-disable-help = Sessions and tokens end at once. What the person has written stays.
person-disable = Shut { $name } out
person-enable-title = Let back in
person-enable-help = The person signs in anew; old sessions and tokens stay ended.
person-enable = Let back in
person-enable-by-two = Letting an administrator back in takes two.
person-enable-propose = Propose to let back in

account-language-only = Language
account-details-go = Save

role-surgeon-does = Opens cases, asks other hospitals, decides
role-nurse-does = Keeps charts and follow-up, takes pictures
role-expert-does = Reads cases of other hospitals and signs opinions
role-coordinator-does = Hands out questions and keeps the duty roster
role-learner-does = Learns from cases that were released for teaching
role-administrator-does = Manages people, agreements and devices
role-auditor-does = Sees who accessed what and when, and no clinical content

proposals-title = Waits for a second administrator
proposal-give-role-administrator = Make { $person } an administrator
proposal-give-role-auditor = Make { $person } an auditor
proposal-enable-person = Let the administrator { $person } back in
proposal-separate-duties = Separate the duties of administrators and auditors
proposal-join-duties = Let administrators audit as well
proposal-by = { $name }, { $at }
proposal-until = until { $at }
proposal-mine = Another administrator has to confirm this.
proposal-alone = There is no second administrator. The operator confirms with: shanhai user approve
proposal-about-me = This is about you: another administrator has to confirm it.
proposal-confirm = Confirm
proposal-refuse = Refuse
proposal-withdraw = Take it back

invitations-title = Invitations
invitations-made = Invitations made
invitations-none = None yet.
invitation-new = Invite somebody into this hospital
invitation-new-help = For a new colleague, or for somebody with an account at another hospital: they keep it and work here as well.
invitation-email = E-mail address
invitation-email-help = Only whoever has this address can accept the invitation.
invitation-go = Make the invitation
invitation-made = Invitation for { $email }
invitation-made-how = Good once, until { $until }.
invitation-mail = Write the e-mail
invitation-mail-subject = Invitation from { $hospital }
invitation-mail-body =
    { $hospital } invites you to Shanhai.

    Open { $address } and type this code:

    { $code }

    It is good once, until { $until }, and only for this e-mail address.
invitation-withdraw = Take it back
invitation-state-open = Open
invitation-state-accepted = Accepted
invitation-state-withdrawn = Taken back
invitation-state-expired = Expired
invitation-enter-title = Your invitation
invitation-enter-lead = Type the code from your invitation.
invitation-code = Code
invitation-code-help = Capitals, spaces and hyphens do not matter.
invitation-not-found-next = It may have been used, taken back or expired. Ask whoever invited you for a new one.
invitation-to-hospital = { $hospital } invites you
invitation-to-hospital-lead = { $by } invites you to work there as:
invitation-to-case = { $hospital } asks for your opinion
invitation-to-case-lead = { $by } lets you into one case, as an expert of { $there }. You do not see who the patient is.
invitation-for-address = This invitation is for { $email }.
invitation-have = I have an account
invitation-have-help = At another hospital, with this e-mail address.
invitation-accept = Accept
invitation-accept-sign-in = Sign in and accept
invitation-other-account = Your account has another e-mail address. Your hospital's administrator can correct it.
invitation-new-account = I have no account yet
invitation-make-account = Make my account
invitation-account-made = Your account is made
invitation-account-made-next = Your sign-in name is { $login }. Now choose a password and set up your authenticator with this code.
invitation-account-made-until = Good for { $days } days, at { $address }
invitation-enrol = Choose a password

invite-title = Invite a further expert
invite-help = An expert of a partner hospital, beside those the question went to. They read the case and sign an opinion; they do not see who the patient is.
invite-hospital = Hospital

settings-hospital = This hospital
settings-name = Name
settings-city = City
settings-zone = Time zone
settings-idle = Signed out when idle
settings-idle-minutes = { $count ->
    [one] after 1 minute
   *[other] after { $count } minutes
}
settings-absolute = Signed out in any case
settings-absolute-hours = { $count ->
    [one] after 1 hour
   *[other] after { $count } hours
}
settings-by-operator = Set by the operator of this server.
settings-duties = Separate duties
settings-duties-off = Administrators audit as well.
settings-duties-on = Administrators manage, auditors audit: nobody is both.
settings-duties-help = Level 3 of China's classified protection asks for different people. Separated, administrators lose the audit pages and nobody can hold both roles. Switching takes two administrators.
settings-duties-separate = Propose to separate
settings-duties-join = Propose to let administrators audit

notice-account-proposal-waiting = A colleague's proposal waits for you
notice-account-proposal-confirmed = Your proposal was confirmed
notice-account-proposal-refused = Your proposal was refused
notice-invitation-accepted = An expert has accepted your invitation

error-email-invalid = This is not an e-mail address.
error-email-taken = Somebody at this hospital has this address already.
error-year-out-of-range = This is not a year in which somebody at work began.
error-role-needs-second-hand = This role takes two: propose it on the person's page.
error-enable-needs-second-hand = Letting an administrator back in takes two: propose it.
error-duties-separate = This hospital separates duties: nobody is administrator and auditor.
error-duties-so-already = This is how it is already.
error-duties-held-together = { $count ->
    [one] 1 person is administrator and auditor. Take one of the roles away first.
   *[other] { $count } people are administrator and auditor. Take one of the roles away from each first.
}
error-peer-by-command-only = An administrator's or auditor's way in is made by the operator: shanhai user reset
error-own-proposal = Somebody else has to decide on your proposal.
error-second-administrator-there = This hospital has a second administrator, who has to confirm it.
error-proposer-gone = Who proposed this is no administrator any more.
error-proposal-of-another = Only who proposed this can take it back.
error-proposal-not-found = There is no such proposal.
error-proposal-open-already = This is proposed already and waits for a second administrator.
error-proposal-ended = This proposal has been decided.
error-proposal-too-late = The seven days are over. Propose it again.
error-proposal-senseless = This cannot be proposed.
error-person-not-disabled = This person is not shut out.
error-person-disabled = This person is shut out.
error-person-never-signed-in = This person has never signed in. They have to, before they are proposed.
error-role-held-already = The person has this role already.
error-invitation-not-found = This code is not good for anything.
error-invitation-ended = This invitation has been used, taken back or has expired.
error-invitation-other-address = This invitation is for another e-mail address than your account has.
error-invitation-other-hospital = This invitation is for an expert of another hospital. Change to it under your account and try again.
error-invitation-before-referral = Put the question to a hospital first; an invitation adds a further expert.
error-invitation-over = This invitation is over: the case has moved on.
error-invitation-not-ready = The case is not ready to be shown outside. Ask whoever invited you.
