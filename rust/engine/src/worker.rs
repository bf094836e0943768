//! A worker that runs no Python: what it does, its plan says.

use std::io;
use std::os::fd::OwnedFd;

use crate::control::Control;
use crate::plan::Plan;
use crate::record::block::Block;
use crate::{blast, crowd};

/// Runs one worker's share of a plan, from `ready` to `done`. An error means that the run is broken.
pub fn run(plan: &[u8], block: OwnedFd, index: u32, orders: OwnedFd, reports: OwnedFd) -> io::Result<()> {
    let plan = Plan::read(plan).map_err(io::Error::other)?;
    let block = Block::attach(block)?;
    let control = Control::new(orders, reports)?;
    if plan.sockets.is_some() {
        crowd::run(&plan, block, index, control)
    } else {
        blast::run(&plan, block, index, control)
    }
}
