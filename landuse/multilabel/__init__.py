"""Several labels a patch: BigEarthNet read and packed, and how right such models are."""
