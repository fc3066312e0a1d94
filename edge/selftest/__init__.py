"""Proof that the answers are right on this machine: stored inputs with expected outputs, and a report to send back."""
