inbox-studies = Studies without a case
inbox-files = Files that wait
inbox-accession = accession { $number }
inbox-empty = Nothing to sort
inbox-empty-how = What a device sends without naming a case, or naming another patient, waits here until somebody has looked.
inbox-into = Case
inbox-file = File into this case
inbox-confirm = I have looked: it is this patient
