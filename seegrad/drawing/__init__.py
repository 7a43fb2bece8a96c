"""What a picture says and where: what a widget, its text and its still figure share."""
