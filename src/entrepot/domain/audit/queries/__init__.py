"""The statements of the audit log."""
