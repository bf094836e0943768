//! A histogram as readers hold it: the filled buckets and the exact sums. Values in nanoseconds.

use std::cmp::Ordering;
use std::iter;

use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use super::block::{Block, HeadWord, Kind};
use super::buckets;

/// Counts by bucket, with count, sum, extremes kept exactly beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// (bucket, count), in the order of the buckets, without empty ones.
    filled: Vec<(u32, u64)>,
    /// Finite samples.
    pub count: u64,
    /// Samples that never ended.
    pub infinite: u64,
    /// Samples beyond the top of the range, clamped to it.
    pub overflow: u64,
    sum: u64,
    sum_of_squares: f64,
    min: Option<u64>,
    max: Option<u64>,
}

impl Histogram {
    /// What a block holds now.
    pub fn read(block: &Block, label: usize, kind: Kind) -> Self {
        let head = |word| block.head(label, kind, word).load(std::sync::atomic::Ordering::Relaxed);
        let filled: Vec<_> = block.filled(label, kind).collect();
        // The buckets are the truth about the count: read while the writer works, the head may be one ahead.
        let count = filled.iter().map(|(_, count)| count).sum();
        // A writer that was stopped between a bucket and the extremes leaves these behind it.
        let bounds = filled.first().zip(filled.last()).map(|(&(first, _), &(last, _))| {
            let min = (!head(HeadWord::MinComplement)).min(buckets::highest(first as usize));
            (min, head(HeadWord::Max).max(buckets::lowest(last as usize)))
        });
        Self {
            filled,
            count,
            infinite: head(HeadWord::Infinite),
            overflow: head(HeadWord::Overflow),
            sum: head(HeadWord::Sum),
            sum_of_squares: f64::from_bits(head(HeadWord::SumOfSquares)),
            min: bounds.map(|(min, _)| min),
            max: bounds.map(|(_, max)| max),
        }
    }

    /// Adds another's samples: the same as having counted both in one.
    pub fn merge(&mut self, other: &Self) {
        self.filled = combine(&self.filled, &other.filled, u64::wrapping_add);
        self.add_head(other);
    }

    fn add_head(&mut self, other: &Self) {
        self.count += other.count;
        self.infinite += other.infinite;
        self.overflow += other.overflow;
        self.sum = self.sum.wrapping_add(other.sum);
        self.sum_of_squares += other.sum_of_squares;
        self.min = self.min.into_iter().chain(other.min).min();
        self.max = self.max.into_iter().chain(other.max).max();
    }

    /// All of them as one: the same as merging them in turn, in time that does not grow with the sum.
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut parts = parts.into_iter().filter(|part| part.count + part.infinite > 0);
        let (Some(first), second) = (parts.next(), parts.next()) else {
            return Self::default();
        };
        let mut sum = first.clone();
        let Some(second) = second else {
            return sum;
        };
        let mut counts = vec![0; buckets::BUCKETS];
        for &(index, count) in &first.filled {
            counts[index as usize] = count;
        }
        for part in iter::once(second).chain(parts) {
            for &(index, count) in &part.filled {
                counts[index as usize] += count;
            }
            sum.add_head(part);
        }
        let filled = |(index, &count): (usize, &u64)| (count > 0).then_some((index as u32, count));
        sum.filled = counts.iter().enumerate().filter_map(filled).collect();
        sum
    }

    /// What has come since an earlier reading of the same blocks. Extremes of an interval are known to a bucket.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let filled = combine(&self.filled, &earlier.filled, u64::saturating_sub);
        let first = filled.first().map(|&(index, _)| buckets::lowest(index as usize));
        let last = filled.last().map(|&(index, _)| buckets::highest(index as usize));
        Self {
            count: filled.iter().map(|(_, count)| count).sum(),
            min: first.map(|low| low.max(self.min.unwrap_or(0))),
            max: last.map(|high| high.min(self.max.unwrap_or(u64::MAX))),
            filled,
            infinite: self.infinite.saturating_sub(earlier.infinite),
            overflow: self.overflow.saturating_sub(earlier.overflow),
            sum: self.sum.wrapping_sub(earlier.sum),
            sum_of_squares: (self.sum_of_squares - earlier.sum_of_squares).max(0.0),
        }
    }

    /// The arithmetic mean of the finite samples.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The standard deviation of the finite samples.
    pub fn stddev(&self) -> Option<f64> {
        let mean = self.mean()?;
        Some((self.sum_of_squares / self.count as f64 - mean * mean).max(0.0).sqrt())
    }

    /// The smallest sample.
    pub fn min(&self) -> Option<u64> {
        self.min
    }

    /// The largest finite sample.
    pub fn max(&self) -> Option<u64> {
        self.max
    }

    /// The inverse of the distribution function (type 1: the sample of rank ⌈p·n⌉), over finite and infinite samples
    /// alike. `None` when there are none at all.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let total = self.count + self.infinite;
        if total == 0 {
            return None;
        }
        // The hair's breadth keeps 99.9 % of 1000 at rank 999 although 0.999 is no binary fraction.
        let rank = ((percent / 100.0 * total as f64 - 1e-9).ceil() as u64).clamp(1, total);
        let mut seen = 0;
        for &(index, count) in &self.filled {
            seen += count;
            if seen >= rank {
                let value = buckets::highest(index as usize);
                return Some(value.clamp(self.min.unwrap_or(0), self.max.unwrap_or(u64::MAX)) as f64);
            }
        }
        Some(f64::INFINITY)
    }

    /// Finite samples in buckets wholly above a value.
    pub fn count_above(&self, value: u64) -> u64 {
        let above = |&&(index, _): &&(u32, u64)| buckets::lowest(index as usize) > value;
        self.filled.iter().filter(above).map(|(_, count)| count).sum()
    }

    /// The filled buckets as (lowest, highest, count).
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.filled
            .iter()
            .map(|&(index, count)| (buckets::lowest(index as usize), buckets::highest(index as usize), count))
    }

    /// The finite samples in `HdrHistogram`'s compressed V2 format, for a line of an interval log.
    pub fn encode(&self) -> Vec<u8> {
        let mut histogram = hdrhistogram::Histogram::<u64>::new_with_bounds(1, buckets::HIGHEST, 3)
            .expect("the bounds are constants that the library accepts");
        for &(index, count) in &self.filled {
            histogram.saturating_record_n(buckets::lowest(index as usize), count);
        }
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&histogram, &mut bytes).expect("writing to memory cannot fail");
        bytes
    }
}

/// Joins two sorted lists by bucket; what comes out empty is left out.
fn combine(left: &[(u32, u64)], right: &[(u32, u64)], join: impl Fn(u64, u64) -> u64) -> Vec<(u32, u64)> {
    let mut joined = Vec::with_capacity(left.len().max(right.len()));
    let (mut l, mut r) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let (index, count) = match (l.peek(), r.peek()) {
            (None, None) => return joined,
            (Some(&&(index, count)), None) => (index, join(count, 0)),
            (None, Some(&&(index, count))) => (index, join(0, count)),
            (Some(&&(a, count_a)), Some(&&(b, count_b))) => match a.cmp(&b) {
                Ordering::Less => (a, join(count_a, 0)),
                Ordering::Greater => (b, join(0, count_b)),
                Ordering::Equal => (a, join(count_a, count_b)),
            },
        };
        l.next_if(|(i, _)| *i == index);
        r.next_if(|(i, _)| *i == index);
        if count > 0 {
            joined.push((index, count));
        }
    }
}
