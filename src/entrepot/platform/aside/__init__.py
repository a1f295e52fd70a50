"""Work that would hold up a web process, done in a short-lived child process."""

from entrepot.platform.aside.child import run_aside

__all__ = ["run_aside"]
