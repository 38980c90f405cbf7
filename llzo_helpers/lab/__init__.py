"""For the notebooks: checked parameters, progress, views, panels."""
