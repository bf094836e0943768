"""Benchmarks: off by default, `make bench` runs them. They print; nothing here is a test."""
