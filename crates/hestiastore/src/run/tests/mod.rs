//! Runs as a whole: against a sorted list, with damage, and their figures.

mod damage;
mod format;
mod model;
mod support;
