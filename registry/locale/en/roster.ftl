shell-roster = Duty roster
roster-new = New roster
roster-keep = Cover or change
roster-role = Who is on duty
roster-role-expert = Experts
roster-role-coordinator = Coordinators
roster-role-surgeon = Surgeons
roster-specialty = Specialty, for experts
roster-empty = No duty roster yet
roster-empty-how = Once somebody is on duty, whoever waits for your hospital sees their name and telephone number, and who is next.

roster-now-title = On duty now
roster-now = Now
roster-until = until { $at }
roster-always = until further notice
roster-then-comes = then { $name }
roster-backup-is = Backup: { $name }
roster-backup-second-is = Second backup: { $name }
roster-covering = stands in
roster-nobody = Nobody
roster-no-phone = No telephone number is recorded.
roster-call-duty = Call the duty telephone, { $phone }
roster-duty-phone = the duty telephone
roster-you-until = You are on duty until { $at }: { $duty }
roster-you = You are on duty: { $duty }
roster-gap-line = { $duty }: nobody is on duty for part of the coming fortnight

roster-fortnight = The coming two weeks
roster-zone = Times are { $zone } time.
roster-from = From
list-then = {", then "}
roster-on = On duty
roster-backup = Backup
roster-moment = { $weekday } { $day } { $month }, { $time }
weekday-1 = Mon
weekday-2 = Tue
weekday-3 = Wed
weekday-4 = Thu
weekday-5 = Fri
weekday-6 = Sat
weekday-7 = Sun
roster-gaps = Nobody can be called for part of the coming fortnight
roster-gap = from { $since } until { $until }
roster-span = { $since } – { $until }

roster-cover = Somebody comes in instead
roster-cover-help = They are called first; whoever's turn it is comes last. For a swap, enter one for each of the two turns.
roster-cover-who = Who comes in
roster-cover-go = Let them come in
roster-cover-line = { $name } stands in, { $since } – { $until }
roster-cover-end = End this
roster-since = From
roster-since-help = Without “from” it begins now.
roster-until-field = Until

roster-away = Away
roster-away-none = Nobody is entered as away.
roster-away-new = Enter that somebody is away
roster-away-own = I shall be away
roster-away-help = Whoever is away is passed over in every roster. Colleagues see that, but not why.
roster-away-go = Enter it
roster-away-end = Back again
roster-cancel = Take it out again
roster-person = Who
roster-reason = Why

roster-then = Who was on duty?
roster-then-at = Day and time
roster-then-go = Show
roster-then-none = There was no roster then.

roster-rotation = Rotation
roster-order = The order
roster-order-help = One after the other, then from the start. Somebody may stand in it twice: with day and night turns and an even number of people the same ones would otherwise have every night.
roster-place = Place { $number }
roster-place-empty = (free)
roster-lost = { $name }, no longer in this role
roster-turn-length = Length of a turn
roster-turn-half = Day and night
roster-turn = { $days ->
    [one] 1 day
    [7] 1 week
    [14] 2 weeks
    [28] 4 weeks
   *[other] { $days } days
}
roster-begins-on = First day of the first turn
roster-handover = Handover
roster-night = Night begins (day and night only)
roster-time-zone = In which time
roster-phone-field = Duty telephone
roster-phone-field-help = The number that whoever is on duty carries. It stands beside their own. May be left empty.
roster-look = Show the turns first
roster-save = Change it from now on
roster-begin = Begin this roster
roster-following = These turns would follow
roster-earlier = What this roster has said
roster-earlier-help = A change begins now, or at the first turn of the new rotation. What was before stays as it was.
roster-from-then = From { $since }
roster-end = End this roster
roster-end-help = From now on nobody stands in it. Questions go to the coordinators as before.
roster-end-go = End the roster

refer-look = Who is on duty?
refer-coordinator = The coordinator there gives it to an expert
refer-straight = Straight to { $name }, { $hospital }
refer-on-duty = on duty for { $specialty }

error-roster-not-found = There is no such roster.
error-roster-exists = This duty has a roster already. Change that one.
error-roster-changed-meanwhile = Somebody else has just changed this roster.
error-roster-changed-meanwhile-next = Look at it as it stands now and try again; nothing of theirs was overwritten.
error-roster-cover-not-found = There is no such cover.
error-roster-absence-not-found = There is no such absence.
error-roster-person-unable = Somebody here does not have this role any more.
error-roster-people-missing = Name at least one person, at most 60.
error-roster-handovers = Give the time of the handover; the night begins later on the same day.
error-roster-phone = A telephone number has digits, spaces and + ( ) - # * only.
error-roster-too-long = This is more than a year ahead.
error-roster-over = This is over already.
