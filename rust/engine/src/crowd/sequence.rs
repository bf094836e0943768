//! What one receiver has seen of a numbered stream: which numbers are missing, which came twice, which came late.
//!
//! ```text
//!   seen    … ■ ■ □ ■ ■ │ next          □ is missing; when it comes after all, it was reordered
//!             └ window ┘                what is older than the window is late, and no more is known of it
//! ```
//!
//! The stream begins with the first number that was seen: who subscribes later misses nothing.

/// Numbers that are remembered.
const WINDOW: u64 = 128;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    next: u64,
    /// Bit i: `next - 1 - i` was seen.
    window: u128,
    first: u64,
    /// Numbers that are missing.
    gaps: u64,
    /// The connection is a new one: it may begin anew.
    is_resumed: bool,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// The one that was to come.
    InOrder,
    /// So many before it have not come yet.
    Ahead(u64),
    /// It was missing until now.
    Late,
    /// It had come before.
    Again,
}

impl Sequence {
    /// A stream that begins with a number.
    pub fn new(first: u64) -> Self {
        Self { next: first.wrapping_add(1), window: 1, first, gaps: 0, is_resumed: false }
    }

    /// What comes next comes on another connection. Where it is far behind, the stream has begun anew.
    pub fn resume(&mut self) {
        self.is_resumed = true;
    }

    /// Takes the next one.
    pub fn see(&mut self, number: u64) -> Arrived {
        if std::mem::take(&mut self.is_resumed) && number.saturating_add(WINDOW) < self.next {
            *self = Self { gaps: self.gaps, ..Self::new(number) };
            return Arrived::InOrder;
        }
        if number >= self.next {
            let missing = number - self.next;
            self.window = if missing < WINDOW - 1 { self.window << (missing + 1) | 1 } else { 1 };
            self.next = number + 1;
            self.gaps += missing;
            return if missing == 0 { Arrived::InOrder } else { Arrived::Ahead(missing) };
        }
        let age = self.next - 1 - number;
        if number < self.first || age >= WINDOW {
            // Before the beginning nothing was missing.
            return if number < self.first { self.begin_earlier(number) } else { self.late() };
        }
        let bit = 1 << age;
        if self.window & bit != 0 {
            return Arrived::Again;
        }
        self.window |= bit;
        self.late()
    }

    /// Fills a gap, where there is one.
    fn late(&mut self) -> Arrived {
        if self.gaps == 0 {
            return Arrived::Again;
        }
        self.gaps -= 1;
        Arrived::Late
    }

    /// The first to come was not the first of the stream. Nobody had counted what lies between as missing, nor does
    /// anybody now: a subscription may begin anywhere.
    fn begin_earlier(&mut self, number: u64) -> Arrived {
        let age = self.next - 1 - number;
        if age < WINDOW {
            let bit = 1 << age;
            if self.window & bit != 0 {
                return Arrived::Again;
            }
            self.window |= bit;
        }
        Arrived::InOrder
    }
}

#[cfg(test)]
mod tests {
    use super::Arrived::{Again, Ahead, InOrder, Late};
    use super::*;

    #[test]
    fn a_stream_is_followed() {
        let mut sequence = Sequence::new(10);
        for (number, expected) in [
            (11, InOrder),
            (14, Ahead(2)),
            (13, Late),
            (13, Again),
            (14, Again),
            (15, InOrder),
            (12, Late),
            (12, Again),
            (10, Again),
            (9, InOrder),
            (9, Again),
            (1015, Ahead(999)),
            (1014, Late),
            (16, Late),
        ] {
            assert_eq!(sequence.see(number), expected, "{number}");
        }
    }

    #[test]
    fn what_never_was_missing_does_not_come_late() {
        let mut sequence = Sequence::new(1000);
        assert_eq!((sequence.see(1500), sequence.see(1200)), (Ahead(499), Late));
        let mut sequence = Sequence::new(1);
        for number in 2..=500 {
            assert_eq!(sequence.see(number), InOrder);
        }
        assert_eq!(sequence.see(3), Again);
    }

    #[test]
    fn a_new_connection_goes_on_or_begins_anew() {
        let mut sequence = Sequence::new(1);
        assert!((2..=500).all(|number| sequence.see(number) == InOrder));
        sequence.resume();
        assert_eq!((sequence.see(503), sequence.see(504)), (Ahead(2), InOrder));
        sequence.resume();
        assert_eq!((sequence.see(1), sequence.see(2), sequence.see(4)), (InOrder, InOrder, Ahead(1)));
    }

    #[test]
    fn what_is_missing_at_the_end_is_what_never_came() {
        // Every order of what is left of a stream without two of its numbers.
        let mut state = 7u64;
        for _ in 0..500 {
            let mut numbers: Vec<u64> = (0..60).filter(|number| number % 17 != 5 || *number == 0).collect();
            for at in 1..numbers.len() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let with = at + (state >> 33) as usize % (numbers.len() - at).min(8);
                numbers.swap(at, with);
            }
            // The last one comes last, else nobody could know that it was to come.
            let last = numbers.iter().position(|&number| number == 59).unwrap();
            let end = numbers.len() - 1;
            numbers.swap(last, end);
            let mut sequence = Sequence::new(numbers[0]);
            let mut missing = 0i64;
            for &number in &numbers[1..] {
                match sequence.see(number) {
                    Ahead(gap) => missing += i64::try_from(gap).unwrap(),
                    Late => missing -= 1,
                    InOrder => {}
                    Again => panic!("{number} came once"),
                }
            }
            assert_eq!(missing, 4, "{numbers:?}");
        }
    }
}
