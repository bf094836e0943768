//! The places of a worker's sockets: a socket that is lost and opened again keeps its place, its number and what it has
//! seen. Which of them are open, and whose turn it is to send.

use std::collections::HashMap;

use super::sequence::{Arrived, Sequence};
use super::stages::Stage;
use crate::reactor::Slot;

/// One place.
#[derive(Debug, Default)]
pub struct Seat {
    /// Its number among all of the run.
    pub number: u64,
    /// Its connection, while there is one.
    pub slot: Option<Slot>,
    /// Since when it is open; 0 while it is not.
    pub open_since_ns: u64,
    /// When the connection that is being made was due.
    pub due_ns: u64,
    /// When it was begun.
    pub begun_ns: u64,
    /// The label under which it counts.
    pub label: usize,
    /// The first byte of the answer.
    pub first_byte_ns: u64,
    /// Tries in a row that came to nothing.
    pub tries: u32,
    /// How often it was opened: what was planned for an earlier time is void.
    pub opened: u32,
    /// Which stage comes next.
    pub stage: Option<Stage>,
    /// Messages of the stage that wait for a reply.
    pub unsettled: u32,
    /// What the acknowledgements of its subscriptions said, as far as anybody refers to it.
    pub acknowledged: Vec<Box<[Option<Box<str>>]>>,
    /// Where it stands among those that are open.
    place: usize,
    /// What it has seen of numbered streams.
    streams: HashMap<Box<str>, Sequence>,
}

impl Seat {
    /// Takes the number of a message of a stream. Nothing can be said of the first.
    pub fn see(&mut self, stream: &str, number: u64) -> Option<Arrived> {
        if let Some(sequence) = self.streams.get_mut(stream) {
            return Some(sequence.see(number));
        }
        self.streams.insert(stream.into(), Sequence::new(number));
        None
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Seats {
    seats: Vec<Seat>,
    open: Vec<u32>,
    turn: usize,
    most_open: usize,
}

impl Seats {
    /// One more.
    pub fn add(&mut self, number: u64) -> u32 {
        self.seats.push(Seat { number, ..Seat::default() });
        self.seats.len() as u32 - 1
    }

    /// A place.
    pub fn get(&mut self, seat: u32) -> &mut Seat {
        &mut self.seats[seat as usize]
    }

    /// It is open from now on. Whether there were never as many.
    pub fn opened(&mut self, seat: u32, now: u64) -> bool {
        let place = self.open.len();
        let it = self.get(seat);
        (it.open_since_ns, it.tries, it.place) = (now, 0, place);
        it.opened += 1;
        (it.stage, it.unsettled) = (Some(Stage::Subscribe), 0);
        it.acknowledged.clear();
        it.streams.values_mut().for_each(Sequence::resume);
        self.open.push(seat);
        let is_most = self.open.len() > self.most_open;
        self.most_open += usize::from(is_most);
        is_most
    }

    /// Its connection is gone. Since when it was open; 0 where it was not.
    pub fn closed(&mut self, seat: u32) -> u64 {
        let it = self.get(seat);
        it.slot = None;
        let since_ns = std::mem::take(&mut it.open_since_ns);
        if since_ns > 0 {
            let place = it.place;
            self.open.swap_remove(place);
            if let Some(&moved) = self.open.get(place) {
                self.get(moved).place = place;
            }
        }
        since_ns
    }

    /// The open one whose turn it is.
    pub fn next_open(&mut self) -> Option<u32> {
        if self.turn >= self.open.len() {
            self.turn = 0;
        }
        let seat = *self.open.get(self.turn)?;
        self.turn += 1;
        Some(seat)
    }

    /// How many are open.
    pub fn count_open(&self) -> usize {
        self.open.len()
    }

    /// Those that are open, in no order.
    pub fn all_open(&self) -> &[u32] {
        &self.open
    }

    /// Those with a connection that is being made.
    pub fn being_opened(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.slot.is_some() && seat.open_since_ns == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_open_take_turns() {
        let mut seats = Seats::default();
        for number in 0..4 {
            let seat = seats.add(number);
            seats.opened(seat, 10 + number);
        }
        assert_eq!([(); 5].map(|()| seats.next_open()), [Some(0), Some(1), Some(2), Some(3), Some(0)]);
        assert_eq!((seats.closed(1), seats.closed(1)), (11, 0));
        let mut turns = [(); 3].map(|()| seats.next_open().unwrap());
        turns.sort_unstable();
        assert_eq!(turns, [0, 2, 3]);
        for seat in [0, 2, 3] {
            assert!(seats.closed(seat) > 0);
        }
        assert_eq!((seats.next_open(), seats.count_open(), seats.most_open), (None, 0, 4));
        seats.opened(2, 5);
        assert_eq!((seats.next_open(), seats.get(2).opened), (Some(2), 2));
    }

    #[test]
    fn streams_are_numbered_apart() {
        let mut seat = Seat::default();
        assert_eq!(seat.see("a", 5), None);
        assert_eq!(seat.see("b", 1), None);
        assert_eq!(seat.see("a", 7), Some(Arrived::Ahead(1)));
        assert_eq!(seat.see("b", 2), Some(Arrived::InOrder));
    }
}
