"""Courses: what depends on one (`course`), their files (`book`), who is in them (`roster`)."""
