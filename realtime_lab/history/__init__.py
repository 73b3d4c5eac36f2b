"""Floor 1: what happened, and what it proves. Pure: computed from the journal and from nothing else."""
