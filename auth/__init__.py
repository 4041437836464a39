"""Who: people, organisations, sessions, factors, tokens, grants, policy and throttle."""
