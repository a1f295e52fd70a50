"""Who may do what. The only place that decides."""
