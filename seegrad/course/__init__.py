"""What makes a course of the pictures: predictions that are compared and explained."""
