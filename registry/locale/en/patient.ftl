merge-section = The same person twice
merge-lead = If this person has a second record in your hospital, put the two together. It can be undone.
merge-look = Look for the second record
merge-title = Put two records of one person together
merge-search = Look for the other record
merge-number = Record number or national id
merge-search-go = Look
merge-nobody = Nobody else is found by exactly that.
merge-compare = Compare
merge-means = The cases of both then stand under one patient. Nothing is copied or deleted, each record keeps its own name and numbers, and it can be undone. Whoever is at work on the cases is told.
merge-keep = Which record is right?
merge-keep-help = Name, date of birth and numbers of this one stand on every case from now on.
merge-no-cases = no case
merge-why = How do you know that they are one person?
merge-go = They are one person: put together
merge-not = Not the same person
merge-done-by = Put together by { $name }, { $when }:
merge-undone-by = Taken apart again by { $name }, { $when }:
merge-undo = They are two people after all
merge-undo-back = { $count ->
    [0] No case goes back.
    [one] The case { $numbers } goes back, with all that was written in it meanwhile.
   *[other] The cases { $numbers } go back, with all that was written in them meanwhile.
}
merge-undo-stay = { $count ->
    [one] The case { $numbers }, opened since, stays here.
   *[other] The cases { $numbers }, opened since, stay here.
}
merge-undo-amended = What was corrected in the patient's details since stays here.
merge-undo-kept = Signed opinions, consents and the log stay as they are.
merge-undo-why = How do you know that they are two?
merge-undo-go = Take apart
notice-patient-merged = The patient of a case was put together with another record: check who it is
notice-patient-unmerged = The patient of a case was taken apart from another record: check who it is
error-patient-merged-away = This patient was put together with another record. Correct that one.
error-merge-not-found = There is no such merge in your hospital.
error-merge-same-patient = These are one record already.
error-merge-merged-already = One of the two was put together with another record already.
error-merge-out-of-reach = Not every case of the two is open to you. Ask a surgeon to whom they are.
error-merge-undone-already = This was taken apart already.
error-merge-later-first = The record was put together with yet another one since: take that apart first.
error-opinion-patient-changed = The patient of this case has changed since you began. Nothing was signed.
sign-patient-changed = The patient's record was merged or taken apart since you began to write.
sign-patient-changed-how = Look at the case line above, the pictures and the record once more: is this the patient you write about?
sign-patient-checked = I have checked: the opinion is about this patient
