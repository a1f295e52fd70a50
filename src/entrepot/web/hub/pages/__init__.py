"""One file for each kind of page: what it reads, and what its template may show."""
