//! Runs as a whole: against a sorted list, with damage, and their figures.

mod check;
mod damage;
mod forge;
mod format;
mod model;
mod support;
