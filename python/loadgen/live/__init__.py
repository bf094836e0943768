"""Views of a run while it goes on. They know snapshots and results, nothing of workers."""
