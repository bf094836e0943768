"""Files that others wrote for Locust and Artillery, run as they are. They stay outside."""
