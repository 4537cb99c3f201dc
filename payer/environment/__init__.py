"""Settings as people write them: the environment file beside the policy, and what is pasted in place of a key."""
