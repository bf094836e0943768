"""What the benchmarks of scenarios run: files for loadgen, Locust and k6, each as its users write it."""
