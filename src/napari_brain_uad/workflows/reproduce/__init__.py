"""The papers' experiments from beginning to end: data checked and shared out, trainings, tests, one table beside their figures."""
