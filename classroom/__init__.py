"""What a class needs: Binder's image, the links into it, an offline bundle, and slides."""
