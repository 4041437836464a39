who-system = Shanhai
who-unknown = somebody no longer listed
who-byline = { $name }, { $hospital }
print = Print
go-back = Go back

case-parts = Parts of the case
case-answered-in = answered in { $span }

now-title = What now
now-since = waiting { $since }
now-due = due { $due }
now-acknowledge = You are asked for an opinion ({ $at }). Acknowledge it, so that they know.
now-called = No answer in time, and you are the next on duty. Take the question, so that they know.
now-opinion = They wait for your opinion
now-allocate = Give this question to an expert ({ $at })
now-decide = Decide on the opinion of { $at }
now-injury = Tell how and when it happened
now-unit = Describe each severed part, so that its clock runs
now-refer = Add pictures, then ask an expert
now-wait-allocate = { $hospital } is to name an expert
now-wait-acknowledge = The expert at { $hospital } is to acknowledge
now-wait-answer = The opinion is being written at { $hospital }
now-late-allocate = No answer in time: { $hospital } has not named an expert
now-late-acknowledge = No answer in time: the expert at { $hospital } has not acknowledged
now-late-answer = No answer in time: the opinion of { $hospital } is overdue
now-treat = Say what was done, and plan the follow-up
now-visit-due = Follow-up of { $visit } is due
now-visit-overdue = Follow-up of { $visit } is overdue
now-visit-planned = Next follow-up: { $visit }, { $date }
now-visits-done = Every planned visit is recorded
now-draft = A draft of the treating hospital
now-referred = Waiting for the opinion
now-answered = Answered; the treating hospital decides
now-treated = Treated
now-follow-up = In follow-up
now-closed = This case is closed
now-act-acknowledge = Acknowledge
now-act-opinion = Write the opinion
now-act-decline = Decline
now-act-allocate = Choose an expert
now-act-accept = Accept
now-act-modify = Accept with changes
now-act-reject = Do not follow
now-act-injury = Describe the injury
now-act-unit = Describe the part
now-act-refer = Ask an expert
now-act-pictures = Add pictures
now-act-referral = See the question
now-act-plan = Treatment and follow-up
now-act-follow-up = Record the visit
now-act-close = Close the case

timeline-title = Timeline
timeline-zone = Times in { $zone } time.
timeline-opened = Case opened
timeline-injured = Injury
timeline-cooled = Cooling began
timeline-reflow = Arterial reflow
timeline-entered = { $what } entered
timeline-corrected = { $what } corrected
timeline-pictures = { $count ->
    [one] 1 picture taken
   *[other] { $count } pictures taken
}
timeline-referral-request = Question sent to { $hospital }
timeline-referral-allocate = Given to { $person }
timeline-referral-acknowledge = Acknowledged
timeline-referral-decline = Declined by { $hospital }
timeline-referral-escalate = { $hospital } silent past the deadline: both sides told
timeline-referral-escalate-called = { $hospital } silent past the deadline: both sides told, { $person } called
timeline-referral-withdraw = Question taken back
timeline-opinion = Opinion signed
timeline-addendum = Addendum signed
timeline-decision-accept = Opinion accepted
timeline-decision-modify = Opinion accepted with changes
timeline-decision-reject = Opinion not followed
timeline-because-consent-withdrawn = The patient's consent was withdrawn
timeline-consent-given = Consent given: { $purpose }
timeline-consent-refused = Consent refused: { $purpose }
timeline-consent-withdrawn = Consent withdrawn: { $purpose }
timeline-consent-excused = Emergency, consent to be had later: { $purpose }

question-title = Question
question-steps = Steps
opinion-title = Opinion
opinion-empty = No opinion yet.
opinion-signed = Signed by { $byline }, { $hospital }
opinion-rests-on = rests on { $images ->
    [one] 1 picture
   *[other] { $images } pictures
} and { $marks ->
    [one] 1 mark
   *[other] { $marks } marks
} as they stood
opinion-check = Check the signature
opinion-add = Write an addendum
opinion-addendum = Addendum

talk-title = Discussion
blinded-title = Independent opinions
blinded-own = The experts asked do not see each other's opinions, marks or messages until all of them have answered. What you write in the discussion, all of them read.
blinded-guest = You are asked for an opinion of your own. What other experts write about this case is kept from you, and yours from them, until everybody asked has answered.
blinded-end = Let them read each other now
talk-empty = Nothing has been said yet. Both hospitals read what is written here.
talk-say = Say something to both hospitals
talk-send = Send
talk-new = new

record-title = Record
record-all = Whole record
record-empty = Nothing has been entered yet.
record-version = version { $version }
record-correct = Correct
record-replaced = A later version replaces this one.
record-withheld = Earlier versions are not shown, because this question does not show who the patient is.
record-add = Add to the record
record-add-others = Something else

follow-title = Follow-up
follow-open = Plan or record
follow-empty = Visits stand here once the treatment is recorded.
follow-visit = Visit
follow-day = Day
follow-due = due { $on }
follow-overdue = overdue since { $on }
follow-planned = planned { $on }

consent-title = Consent
consent-change = Record a consent
consent-withdraw-closed = Record that a consent was withdrawn
consent-standing-none = not asked yet
consent-standing-given = given
consent-standing-refused = refused
consent-standing-withdrawn = withdrawn
consent-standing-excused = emergency, to be had later

identity-title = Who it is
identity-show = Show who it is
identity-recorded = The referral lets you see it. Each time is recorded.
identity-noted = That you have seen this is recorded in the log of the patient's hospital.

close-title = Close the case
close-lead = Say how it ended. A closed case can be read but not written in any more.
close-waits = The case can be closed once the question is answered, declined or taken back.
close-go = Close it for good
access-title = Who saw it
record-more = Everything entered
case-banner = Case and patient

talk-more = Call somebody, show pictures
talk-call = Call by name
talk-call-help = They are told that they are meant. Only who can read this discussion is listed.
talk-pictures = Show pictures of the case
talk-to = To { $names }
talk-you = you
talk-called = calls you
talk-shows = { $count ->
    [one] One picture
   *[other] { $count } pictures
}
error-field-person-not-here = Somebody you call cannot read this discussion any more. Choose again.
