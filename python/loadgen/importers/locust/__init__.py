"""Locust files: run as they are, on the engine, without Locust. Their blocking code runs in greenlets."""
