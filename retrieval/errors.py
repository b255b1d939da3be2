"""What can go wrong between a file and a quoted source."""


class RetrievalError(Exception):
    """The base of every error of this floor; its text may be shown to a person."""


class DocumentError(RetrievalError):
    """A file cannot be read as a document."""


class IndexMissingError(RetrievalError):
    """Nothing has been indexed yet."""


class IndexIdentityError(RetrievalError):
    """The index was built with another embedding than the one configured."""
