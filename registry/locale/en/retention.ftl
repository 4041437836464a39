retention-title = Keeping records
retention-rule = How long
retention-rule-help = The time runs from the day on which the last case of the same patient was closed. The law asks for at least 15 years for outpatient and 30 years for inpatient records; you may keep them longer.
retention-outpatient-years = Outpatient records, in years
retention-outpatient-years-help = Where the closing summary says that the patient did not stay in hospital.
retention-inpatient-years = Inpatient records, in years
retention-inpatient-years-help = All others, also where nothing was said.
retention-archive-after-days = To the archive, in days after closing
retention-archive-after-days-help = A closed case then leaves the list. It can be read as before.
retention-save = Save
retention-kept-until = Kept at least until { $date }.
retention-held = On legal hold since { $since }: nothing of this record may be erased.
error-retention-too-short = Shorter than the law allows.
error-retention-out-of-bounds = Not possible: 15 to 100 years, or 1 to 3650 days.
hold-title = Legal holds
hold-help = For a dispute, a claim or an inquiry: nothing of the record may be erased until the hold is lifted, also after its time. The case goes on as before; its readers see that it is held, but not why.
hold-none = No case is on hold.
hold-new = Hold a case
hold-number = Case number
hold-reason = Why
hold-reason-help = For example the number of the inquiry. Do not name the patient.
hold-go = Place the hold
hold-lift = Lift
hold-lift-one = Lift the hold on { $number }
hold-lift-reason = Why it is lifted
hold-lifted = { $count ->
    [one] One lifted hold
   *[other] { $count } lifted holds
}
hold-lifted-because = Lifted: { $reason }
error-case-number-unknown = Your hospital has no case with this number.
error-hold-not-found = There is no such hold.
error-hold-lifted-already = This hold has been lifted already.
