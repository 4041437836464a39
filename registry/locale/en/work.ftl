work-title = Work list
work-needs = Needs you
work-count = { $count ->
    [one] 1 case
   *[other] { $count } cases
}
work-empty = Nothing waits for you
work-empty-how = Whatever is waiting for you will stand here, the most urgent first.
work-also = Also
work-all = All cases
work-due = Due follow-ups
work-waiting = Waiting for others
work-files = Files to sort
case-new = New case

work-unread = { $count ->
    [one] 1 new message
   *[other] { $count } new messages
}
work-call = Call { $name }, { $phone }
work-waiting-title = You wait for
work-do-answer = Write your opinion
work-do-answer-late = Write your opinion: it is overdue
work-do-acknowledge = Acknowledge and answer
work-do-acknowledge-late = Acknowledge: it is overdue
work-do-allocate = Give it to an expert
work-do-allocate-late = Give it to an expert: it is overdue
work-do-decide = Decide on the opinion
work-do-refer-again = Declined or taken back: ask again
work-do-call = No answer in time: call
work-do-refer = Complete it and ask
work-do-treat = Say what was done
work-do-follow-up = Follow-up is due
work-do-read-messages = Read the new messages
work-wait-allocate = { $hospital } is to name an expert
work-wait-acknowledge = { $hospital }: the expert is to acknowledge
work-wait-answer = { $hospital }: the opinion is being written
work-visit = Follow-up { $visit }, due { $on }
work-visit-late = Follow-up { $visit }, overdue since { $on }
cases-title = Cases
cases-search = Search by patient
cases-search-help = Part of the name, pinyin, initials or a number; in your own hospital.
cases-search-go = Search
cases-found = { $count ->
    [0] Nobody found for "{ $sought }"
    [one] 1 case for "{ $sought }"
   *[other] { $count } cases for "{ $sought }"
}
cases-all = All
cases-more = Older cases
cases-first = Back to the newest
cases-empty = No cases here
cases-empty-how = A case appears here once it is opened in your hospital, or once your hospital is asked about one.
cases-case = Case
cases-state = State
cases-hospital = Hospital
cases-own = this hospital
due-title = Due follow-ups
due-empty = No follow-up is due
due-empty-how = Visits stand here from the day their window opens.
