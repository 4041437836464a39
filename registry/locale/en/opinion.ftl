opinion-write = Write the opinion
opinion-write-addendum = Write an addendum
sign-title = Sign
sign-means = Signing says: this is my opinion, on what I have seen here. It can never be changed afterwards, only added to; your name, your hospital and every picture and mark it rests on are kept with it.
sign-go = Sign the opinion
check-whole = This opinion is what was signed.
check-broken = Something does not agree with what was signed.
check-hash-holds = The words are those that were signed.
check-hash-broken = The words are not those that were signed.
check-signature-holds = The signature is good.
check-signature-broken = The signature is not good.
check-key-holds = The key is the hospital's.
check-key-broken = The key is not the one the hospital has now.
check-objects-hold = Every picture and entry it rests on is as it was.
check-objects-broken = Changed since: { $count } of the pictures and entries it rests on.
decision-title = Decide on the opinion
decision-lead = The treating side decides. Your decision is part of the record, and the expert is told.
decision-choice = Decision
decision-reason = Why
decision-reason-help = Needed unless the opinion is accepted as it stands.
decision-go = Record the decision

sheet-title = Opinion at a distance
sheet-patient = Patient
sheet-case = Case
sheet-asking = Asking hospital
sheet-asked = Asked by
sheet-answering = Answering hospital
sheet-decision = What the treating side decided
sheet-pictures = Pictures, with the marks as they stood
sheet-marks = { $count ->
    [0] no marks
    [one] 1 mark
   *[other] { $count } marks
}
sheet-proof = To check
sheet-proof-what = The signed bytes and the signature lie in this file (proof-1.json). Whoever holds the hospital's public key checks them without this system; the manual says how.
sheet-licence = licence { $number }
sheet-hand-expert = Expert, signature
sheet-hand-asking = Treating doctor, signature
sheet-hand-date = Date, stamp
sheet-get = Download as PDF
sheet-get-proof = Download the proof

proof-check-title = Check a signed opinion
proof-check-lead = From the file that was downloaded beside the opinion. It is read here in your browser and sent nowhere.
proof-check-noscript = This page checks with a script. Without one, use the command "shanhai opinion verify".
proof-check-file = The proof
proof-check-file-help = A file whose name ends in -opinion.json
proof-check-key = The hospital's public key
proof-check-key-help = From the hospital itself, by another way. Only with it does a good signature say who signed.
proof-check-whole = This opinion is what was signed, with the hospital's key.
proof-check-compare = It is what the holder of this key signed. Whose key it is, only the hospital can say: compare it.
proof-check-broken = This opinion is not what was signed.
proof-check-key-known = The hospital's key:
proof-check-key-other = Not the key that you gave:
proof-check-key-unknown = Signed with the key:
proof-check-licence = licence
proof-check-unsupported = This browser is too old to check Ed25519 signatures. Use a newer one, or the command "shanhai opinion verify".
proof-check-save = Keep this page as a file that checks without a network
