"""Space and time in a language model: the study, and the tables that only it draws."""
