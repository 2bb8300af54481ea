"""The three answers to one description: closed forms, statistics and points; `madtheory` hands them on."""

__all__ = []
