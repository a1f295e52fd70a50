"""The registry's SQL, a module for each noun: one function, one statement, rows in and model out."""
