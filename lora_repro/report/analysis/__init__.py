"""Tables, figures and claims of the analyses, from their records alone."""
