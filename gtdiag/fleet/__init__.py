"""Many sources to one report: who analyzes which of them, here, in processes of this machine or on a cluster."""
