"""The search: candidates, budget, verdicts, explanation."""
