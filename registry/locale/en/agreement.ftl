# Agreements between hospitals

agreement-title = Agreements
agreement-with = Agreement with { $hospital }
agreement-new = Propose an agreement
agreement-none = No agreements yet
agreement-none-how = Hospitals ask each other's experts under an agreement. One proposes it here; it is in force once the other has confirmed it.
agreement-ours = Waiting for your hospital
agreement-theirs = Waiting for the other hospital
agreement-standing = In force
agreement-past = Past
agreement-read = Read and answer
agreement-days = { $first } to { $last }
agreement-days-open = from { $first }, without an end
agreement-until = until { $last }
agreement-soon = Lapses { $left }: renew it in time
agreement-standing-proposed = Waits to be confirmed
agreement-standing-upcoming = Confirmed, not begun yet
agreement-standing-in-force = In force
agreement-standing-lapsed = Lapsed
agreement-standing-refused = Refused
agreement-standing-withdrawn = Withdrawn
agreement-standing-ended = Ended
agreement-waits-ours = Waits for your hospital to confirm
agreement-waits-theirs = Waits for the other hospital to confirm

agreement-covers-consultation = Consultation
agreement-covers-diagnosis = Reporting of images
agreement-covers-follow-up = Follow-up
agreement-covers-transfer = Transfer of patients
agreement-covers-teaching = Teaching
agreement-covers-research = Research

agreement-new-lead = Both hospitals sign on paper first. One uploads the signed document here, the other's administrator checks and confirms it. Until then it is not in force.
agreement-other = The other hospital
agreement-covers = What it covers
agreement-covers-help = Referrals may cross only under an agreement that covers consultation. For a consultation the asking hospital answers in law, for a diagnosis both do.
agreement-starts = First day
agreement-ends = Last day
agreement-words = Notes
agreement-document = Signed document
agreement-document-help = One PDF, JPEG or PNG of at most 20 MB. It is encrypted, and each hospital keeps a copy of its own.
agreement-document-again = Please choose the file again.
agreement-document-get = Download ({ $size } MB)
agreement-document-none = none
agreement-must = What the document has to say
agreement-must-purpose = The purpose
agreement-must-conditions = The conditions: qualifications, people, equipment and network on both sides
agreement-must-content = What is offered, and in which specialties
agreement-must-process = The process: asking, answering, the opinion, archiving
agreement-must-rights = Rights and duties of both, costs among them
agreement-must-liability = How the risk of harm and the liability are shared
agreement-must-data = How patients' data are kept and used
agreement-must-signed = Signatures and seals of both hospitals
agreement-send = Send for confirmation

agreement-parties = Between
agreement-time = For
agreement-proposed-by = Proposed by
agreement-confirmed-by = Confirmed by
agreement-by-operator = the operator, for both hospitals
agreement-confirm-title = Confirm for your hospital
agreement-confirm-means = Download the document and check it first. With this, { $hospital } is bound by it, and both hospitals may ask each other within what it covers.
agreement-confirm-go = Confirm the agreement
agreement-refuse = Refuse this agreement
agreement-refuse-help = The other hospital's administrators are told, with the reason.
agreement-refuse-go = Refuse it
agreement-refused-terms = The terms have to change
agreement-refused-document = The document is wrong or incomplete
agreement-refused-agreed-already = There is an agreement already
agreement-refused-not-intended = We do not wish to cooperate
agreement-refused-other = Other
agreement-withdraw-help = The other hospital has not confirmed it yet.
agreement-withdraw-go = Withdraw the proposal
agreement-end = End this agreement early
agreement-end-help = It ends at once and the other hospital's administrators are told. Referrals under way go on; after that only emergencies cross.
agreement-end-go = End the agreement
agreement-ended-replaced = A new agreement takes its place
agreement-ended-by-both = Both hospitals ended it
agreement-ended-not-renewed = It is not renewed
agreement-ended-terms-broken = A side did not keep to it
agreement-ended-service-ended = A side no longer offers telemedicine
agreement-ended-other = Other

agreement-missing-to = { $count ->
    [one] 1 emergency referral
   *[other] { $count } emergency referrals
} went to { $hospital } without an agreement
agreement-missing-from = { $count ->
    [one] 1 emergency referral
   *[other] { $count } emergency referrals
} came from { $hospital } without an agreement
agreement-missing-how = Make an agreement now. Until one is in force, the administrators of both hospitals are reminded every seven days.
agreement-settle = Settle it without an agreement
agreement-settle-why = How it was settled
agreement-settle-go = Stop the reminders

error-agreement-not-found = There is no such agreement.
error-agreement-without-document = No document was filed with this agreement.
error-agreement-with-itself = A hospital cannot have an agreement with itself.
error-agreement-proposed-already = A proposal between the two hospitals is waiting already. Answer or withdraw that one first.
error-agreement-of-other-side = This is for the other hospital to do.
error-agreement-state-forbids = The agreement no longer stands as it did; the other hospital may have acted on it.
error-agreement-covers-nothing = Choose at least one.
error-agreement-over-already = The last day has passed.
error-date-too-far = This date cannot be right. Look at the year.
error-document-type = Choose a PDF, JPEG or PNG file.
error-document-too-large = The file is larger than 20 MB.
error-unagreed-settled-already = Somebody has settled this already.

notice-agreement-proposed = A hospital proposes an agreement and waits for yours
notice-agreement-confirmed = The other hospital has confirmed the agreement
notice-agreement-refused = The other hospital has refused the agreement
notice-agreement-withdrawn = The other hospital has withdrawn its proposal
notice-agreement-ended = The other hospital has ended the agreement
notice-agreement-lapses-30 = An agreement lapses within 30 days
notice-agreement-lapses-7 = An agreement lapses within 7 days
notice-agreement-missing = An emergency referral went without an agreement: make one now
