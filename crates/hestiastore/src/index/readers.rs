//! Who reads at which seq: snapshots and iterators, as the commit section lists them (PROTOCOL C6).
//!
//! Whoever begins to read does so at what is visible then, so the list, which is in the order of beginnings, is
//! in the order of seqs too. Beginning and ending take a few steps whatever the number of readers; nothing here allocates:
//! more room is brought from outside.

/// The list. Links between slots, so that whoever ends is taken out where he stands.
#[derive(Debug)]
pub(crate) struct Readers {
    slots: Vec<Slot>,
    oldest: usize,
    newest: usize,
    /// First of the slots that are free, linked by `after`.
    free: usize,
    count: usize,
}

/// Room for one reader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    reader: Reader,
    before: usize,
    after: usize,
}

/// Somebody who reads at a seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader {
    pub(crate) seq: u64,
    /// When the reading began, by the monotonic clock.
    pub(crate) since_micros: u64,
}

/// The place of a reader in the list, to be given back once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReaderPlace(usize);

const NONE: usize = usize::MAX;

impl Default for Readers {
    fn default() -> Self {
        Self { slots: Vec::new(), oldest: NONE, newest: NONE, free: NONE, count: 0 }
    }
}

impl Readers {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn oldest(&self) -> Option<Reader> {
        self.slots.get(self.oldest).map(|slot| slot.reader)
    }

    /// Lists a reader. `None` without spare room; see [`Readers::make_room`].
    pub(crate) fn begin(&mut self, reader: Reader) -> Option<ReaderPlace> {
        let newest = self.newest;
        debug_assert!(self.slots.get(newest).is_none_or(|slot| slot.reader.seq <= reader.seq));
        let slot = Slot { reader, before: newest, after: NONE };
        let place = if let Some(free) = self.slots.get_mut(self.free) {
            let place = std::mem::replace(&mut self.free, free.after);
            *free = slot;
            place
        } else if self.slots.len() < self.slots.capacity() {
            self.slots.push(slot);
            self.slots.len() - 1
        } else {
            return None;
        };
        match self.slots.get_mut(newest) {
            Some(before) => before.after = place,
            None => self.oldest = place,
        }
        self.newest = place;
        self.count += 1;
        Some(ReaderPlace(place))
    }

    /// Takes a reader off the list.
    pub(crate) fn end(&mut self, ReaderPlace(place): ReaderPlace) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        let Slot { before, after, .. } = *slot;
        slot.after = std::mem::replace(&mut self.free, place);
        match self.slots.get_mut(before) {
            Some(before) => before.after = after,
            None => self.oldest = after,
        }
        match self.slots.get_mut(after) {
            Some(after) => after.before = before,
            None => self.newest = before,
        }
        self.count -= 1;
    }

    /// How large an empty vector [`Readers::make_room`] is to be given.
    pub(crate) fn wanted_room(&self) -> usize {
        self.slots.len() * 2 + 16
    }

    /// Takes over a larger, empty vector for the list, and gives back the old one to be freed outside.
    pub(crate) fn make_room(&mut self, mut larger: Vec<Slot>) -> Vec<Slot> {
        if larger.capacity() > self.slots.len() {
            larger.extend_from_slice(&self.slots);
            std::mem::swap(&mut larger, &mut self.slots);
        }
        larger
    }

    /// The distinct seqs that are read at, ascending.
    pub(crate) fn seqs(&self) -> impl Iterator<Item = u64> + '_ {
        let mut next = self.oldest;
        let mut last = None;
        std::iter::from_fn(move || {
            loop {
                let slot = self.slots.get(next)?;
                next = slot.after;
                if last.replace(slot.reader.seq) != Some(slot.reader.seq) {
                    return last;
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn begin(readers: &mut Readers, seq: u64) -> ReaderPlace {
        loop {
            if let Some(place) = readers.begin(Reader { seq, since_micros: seq * 10 }) {
                return place;
            }
            let larger = Vec::with_capacity(readers.wanted_room());
            readers.make_room(larger);
        }
    }

    proptest! {
        /// Against a plain list.
        #[test]
        fn c6_readers_are_listed_in_the_order_of_their_seqs(
            steps in proptest::collection::vec((any::<bool>(), 0..3u64, any::<prop::sample::Index>()), 0..200),
        ) {
            let mut readers = Readers::default();
            let mut model: Vec<(u64, ReaderPlace)> = Vec::new();
            let mut visible = 0;
            for (begins, written, which) in steps {
                visible += written;
                if begins || model.is_empty() {
                    let place = begin(&mut readers, visible);
                    model.push((visible, place));
                } else {
                    let (_, place) = model.remove(which.index(model.len()));
                    readers.end(place);
                }
                let mut expected: Vec<u64> = model.iter().map(|(seq, _)| *seq).collect();
                let oldest = expected.first().map(|seq| Reader { seq: *seq, since_micros: seq * 10 });
                prop_assert_eq!(readers.oldest(), oldest);
                prop_assert_eq!(readers.count(), expected.len());
                expected.dedup();
                prop_assert_eq!(readers.seqs().collect::<Vec<_>>(), expected);
            }
        }
    }

    #[test]
    fn c2_the_list_grows_only_by_room_that_is_brought() {
        let mut readers = Readers::default();
        assert_eq!(readers.begin(Reader { seq: 1, since_micros: 0 }), None);
        let brought: Vec<Slot> = Vec::with_capacity(16);
        let at = brought.as_ptr();
        readers.make_room(brought);
        let places: Vec<ReaderPlace> = (0..16).map(|seq| begin(&mut readers, seq)).collect();
        assert_eq!(readers.slots.as_ptr(), at);
        assert_eq!(readers.begin(Reader { seq: 99, since_micros: 0 }), None);
        places.into_iter().for_each(|place| readers.end(place));
        assert_eq!((readers.count(), readers.oldest()), (0, None));
    }
}
