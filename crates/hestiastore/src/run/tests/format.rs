//! The bytes of a small run.
