"""The case registry: patients, cases, the clinical record, referrals, opinions and follow-ups."""
