"""What is done with the catalogue, a module for each noun. Permission is asked first."""
