"""The audit log: who did what that matters for security, in a chain that shows when it was changed afterwards."""
