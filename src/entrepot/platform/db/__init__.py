"""The database: statements, reads and writes on SQLite and PostgreSQL, and the migrations. It alone imports a driver."""
