"""The pages for people at `/`: queries read, views put into words and numbers, templates and static files show."""
