"""What notebooks need: checked parameters, progress, views, panels."""
