//! Places for connections, found by tokens that outlive them harmlessly; must not know what it keeps.
//!
//! A token is `generation << 32 | place`. A place is used again, with the next generation, so an
//! event or a departure that comes late for a closed connection finds nobody, and not a stranger.

/// Values by token.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn insert(&mut self, value: T) -> u64 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, value: None });
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[place as usize];
        slot.value = Some(value);
        token(slot.generation, place)
    }

    pub(crate) fn get(&self, wanted: u64) -> Option<&T> {
        let slot = self.slots.get(place(wanted))?;
        if slot.generation == generation(wanted) { slot.value.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, wanted: u64) -> Option<&mut T> {
        let slot = self.slots.get_mut(place(wanted))?;
        if slot.generation == generation(wanted) { slot.value.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, wanted: u64) -> Option<T> {
        self.get(wanted)?;
        let slot = &mut self.slots[place(wanted)];
        // Stops short of the tokens at the top, which are for other uses.
        slot.generation = (slot.generation + 1) % (u32::MAX - 1);
        self.free.push(place(wanted) as u32);
        slot.value.take()
    }

    /// How many places there are, taken or free.
    pub(crate) fn places(&self) -> usize {
        self.slots.len()
    }

    /// What is at a place, for those who go round all of them while some come and go.
    pub(crate) fn at(&self, place: usize) -> Option<&T> {
        self.slots.get(place)?.value.as_ref()
    }

    /// The tokens of all that are there.
    pub(crate) fn tokens(&self) -> Vec<u64> {
        let taken = self.slots.iter().enumerate().filter(|(_, slot)| slot.value.is_some());
        taken.map(|(place, slot)| token(slot.generation, place as u32)).collect()
    }
}

fn token(generation: u32, place: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(place)
}

fn generation(token: u64) -> u32 {
    (token >> 32) as u32
}

fn place(token: u64) -> usize {
    (token & u64::from(u32::MAX)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_finds_its_value_until_that_is_removed_and_never_the_next_in_its_place() {
        let mut slots = Slots::default();
        let first = slots.insert("first");
        let other = slots.insert("other");
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second");
        assert_eq!(place(first), place(second), "the place is used again");
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get(second), Some(&"second"));
        assert_eq!((slots.len(), slots.tokens()), (2, vec![second, other]));
    }

    #[test]
    fn an_unknown_token_finds_nobody() {
        let mut slots: Slots<u8> = Slots::default();
        assert_eq!(slots.get_mut(u64::MAX), None);
        assert_eq!(slots.len(), 0);
    }
}
