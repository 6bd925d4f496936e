//! Damaged files: the right answer or an error, never a wrong answer or a panic.
