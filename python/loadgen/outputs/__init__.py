"""Who receives what a run shows, while it goes on and at its end. Outputs know nothing of workers."""
