"""Reports on results. They know a Result and nothing of how it was made."""
