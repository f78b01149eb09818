"""Calling an HTTP service for events: requests out of columns, columns out of answers, and what a failure means.

Nothing is connected before the first call. httpx2 is imported by `stream.http.client` only.
"""
