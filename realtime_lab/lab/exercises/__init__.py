"""The exercises of the lessons: one module each. `check` (realtime_lab.lab.checks) runs them."""
