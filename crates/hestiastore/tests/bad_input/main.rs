//! Bad input of every kind: a clear error, nothing lost, never a panic or a hang.

mod damage;
mod directories;
mod keys;
mod limits;
mod missing;
mod openers;
mod support;
