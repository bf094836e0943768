//! `HdrHistogram`'s bucket layout for three significant digits: arithmetic only, no memory.
//!
//! ```text
//!   value            0 … 2047   2048 … 4095   4096 … 8191   …   2^41 … 2^42-1 (over an hour)
//!   bucket width         1            2             4        …       2^31
//!   buckets            2048         1024          1024       …       1024
//!   segment            0, 1           2             3        …        32
//! ```
//!
//! A bucket is at most 1/1024 of its values wide. A *segment* is 1024 buckets: the unit in which readers skip what no
//! writer has touched.

/// Buckets in a segment.
pub const SEGMENT: usize = 1024;

/// Segments of a histogram.
pub const SEGMENTS: usize = 33;

/// Buckets of a histogram.
pub const BUCKETS: usize = SEGMENT * SEGMENTS;

/// The largest value with a bucket of its own kind, an hour and a bit in nanoseconds; larger ones are clamped to it.
pub const HIGHEST: u64 = (1 << 42) - 1;

/// The bucket of a value up to [`HIGHEST`].
#[inline]
pub fn index(value: u64) -> usize {
    let magnitude = (u64::BITS - (value | (2 * SEGMENT as u64 - 1)).leading_zeros() - 11) as usize;
    magnitude * SEGMENT + (value >> magnitude) as usize
}

/// The smallest value of a bucket.
pub fn lowest(index: usize) -> u64 {
    let magnitude = (index / SEGMENT).saturating_sub(1);
    ((index - magnitude * SEGMENT) as u64) << magnitude
}

/// The largest value of a bucket: what a percentile reports, as `HdrHistogram` does.
pub fn highest(index: usize) -> u64 {
    let magnitude = (index / SEGMENT).saturating_sub(1);
    lowest(index) + (1 << magnitude) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_tile_the_range() {
        assert_eq!(lowest(0), 0);
        assert_eq!(highest(BUCKETS - 1), HIGHEST);
        for i in 1..BUCKETS {
            assert_eq!(lowest(i), highest(i - 1) + 1);
        }
    }

    #[test]
    fn every_value_lies_in_its_bucket_and_buckets_are_narrow() {
        for i in 0..BUCKETS {
            assert_eq!(index(lowest(i)), i);
            assert_eq!(index(highest(i)), i);
            assert!(highest(i) - lowest(i) <= lowest(i) / 1024);
        }
    }
}
