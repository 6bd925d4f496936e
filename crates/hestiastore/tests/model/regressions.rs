//! Histories that once failed, shrunk, each with the bug that it found.
