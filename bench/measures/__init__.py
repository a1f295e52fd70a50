"""What is measured, one module for each kind; `MEASURES` in catalogue.py names them all."""
