//! The places of a worker's sockets: a socket that is lost and opened again keeps its place, its number and what it has
//! seen. Which of them are open, whose turn it is to be given a message, and who has been given some.

use std::collections::{HashMap, VecDeque};

use super::sequence::{Arrived, Sequence};
use super::stages::Stage;
use crate::reactor::Slot;

/// A message that is due, and not sent yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number among all of the run.
    pub number: u64,
    /// When it was due.
    pub due_ns: u64,
    /// How long no socket was open for it.
    pub waited_ns: u64,
}

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
    /// What it is to send as soon as it can: all in one write.
    given: Vec<Waiting>,
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
    /// Those that were given something, the first first. One that was lost since has nothing any more.
    line: VecDeque<u32>,
    given: usize,
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

    /// A message is its to send.
    pub fn give(&mut self, seat: u32, message: Waiting) {
        let given = &mut self.seats[seat as usize].given;
        if given.is_empty() {
            self.line.push_back(seat);
        }
        given.push(message);
        self.given += 1;
    }

    /// Who was given something first, and has it still.
    pub fn next_given(&mut self) -> Option<u32> {
        while let Some(seat) = self.line.pop_front() {
            if !self.seats[seat as usize].given.is_empty() {
                return Some(seat);
            }
        }
        None
    }

    /// All that it was given. [`Seats::give_back`] takes the memory.
    pub fn take_given(&mut self, seat: u32) -> Vec<Waiting> {
        let given = std::mem::take(&mut self.seats[seat as usize].given);
        self.given -= given.len();
        given
    }

    /// What has been sent of it is forgotten.
    pub fn give_back(&mut self, seat: u32, mut emptied: Vec<Waiting>) {
        emptied.clear();
        self.seats[seat as usize].given = emptied;
    }

    /// The same of everybody: nothing of it will be sent.
    pub fn take_all_given(&mut self) -> Vec<Waiting> {
        let mut all = Vec::with_capacity(self.given);
        while let Some(seat) = self.next_given() {
            all.append(&mut self.take_given(seat));
        }
        all
    }

    /// How many messages were given and not taken.
    pub fn count_given(&self) -> usize {
        self.given
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
    fn who_was_given_something_first_sends_first_and_all_of_it() {
        let mut seats = Seats::default();
        for number in 0..3 {
            let seat = seats.add(number);
            seats.opened(seat, 10);
        }
        let message = |number| Waiting { number, due_ns: number, waited_ns: 0 };
        for (seat, number) in [(1, 1), (0, 2), (1, 3), (2, 4)] {
            seats.give(seat, message(number));
        }
        // It is lost before its turn, and what it had becomes another's.
        seats.closed(0);
        let left = seats.take_given(0);
        seats.give(2, left[0]);
        assert_eq!(seats.count_given(), 4);
        assert_eq!(seats.next_given(), Some(1));
        let sent = seats.take_given(1);
        assert_eq!(sent, [message(1), message(3)]);
        seats.give_back(1, sent);
        assert_eq!((seats.next_given(), seats.count_given()), (Some(2), 2));
        seats.give(1, message(5));
        seats.give(2, message(6));
        assert_eq!(seats.take_given(2), [message(4), message(2), message(6)]);
        assert_eq!((seats.take_all_given(), seats.next_given(), seats.count_given()), (vec![message(5)], None, 0));
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
