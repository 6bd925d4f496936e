//! The workloads.

use crate::engine::Res;
use crate::session::Plan;

pub mod d;
pub mod h;
pub mod large;
mod replay;
mod support;
pub mod ycsb;

pub use replay::die_after_writes;

type Workload = fn(&Plan) -> Res<()>;

/// Every workload by its name.
pub const WORKLOADS: &[(&str, Workload)] =
    &[("h", h::run), ("d", d::run), ("ycsb", ycsb::run), ("large", large::run)];
