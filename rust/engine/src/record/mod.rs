//! Recording: what happened, counted in shared memory while it happens.
//!
//! [`buckets`] is the arithmetic of the histograms, [`block`] the shared memory with one writer, [`recorder`] the
//! writer's face, [`snapshot`] the reader that sums blocks, [`histogram`] what it reads: percentiles and interchange.

pub mod block;
pub mod buckets;
pub mod histogram;
pub mod recorder;
pub mod snapshot;
