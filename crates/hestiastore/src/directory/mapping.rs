//! A file's bytes as memory: the one place that maps files.
//!
//! Stores go through whole atomic words, so that no order of calls from any threads is a data race, though callers write to
//! disjoint ranges. What nothing here can guard against is a signal: SIGBUS comes to a store where the file was cut short by somebody
//! else, or where its page must be read again and cannot be. It ends the process.
//!
//! A store is in the page cache at once: the death of the process loses none of it, positioned reads see it, and a
//! sync of the file takes it in as it takes in what was written.

#![expect(unsafe_code, reason = "the system maps files at addresses")]

use std::fs;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::slice;
// Not those of `crate::sync`: an explorer's atomics are no plain words, and it explores no files.
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

const WORD_BYTES: usize = size_of::<u64>();

/// Every page begins at a multiple of its size, and none is larger.
const LARGEST_PAGE_BYTES: usize = 64 << 10;

/// The beginning of a file, shared with everybody who reads or writes it.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the mapping belongs to no thread, and is accessed as atomic words only.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `length` bytes, down to whole words, of a file that is open for reading and writing and is no
    /// shorter. Touches none of them.
    pub(super) fn new(file: &fs::File, length: usize) -> io::Result<Self> {
        let words = length / WORD_BYTES;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the system picks the place, so nothing that is mapped already is replaced.
        let start =
            unsafe { mmap(std::ptr::null_mut(), words * WORD_BYTES, access, MapFlags::SHARED, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, words })
    }

    pub(super) fn length(&self) -> usize {
        self.words * WORD_BYTES
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: so many words are mapped there, at a page's beginning, readable and writable, until `drop`. Any
        // bytes are a valid word, and other processes' stores are like those of other threads.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }

    /// Stores `bytes`, which must end within the mapping, at `offset`.
    pub(super) fn write(&self, offset: usize, bytes: &[u8]) {
        let (words, skipped) = (&self.words()[offset / WORD_BYTES..], offset % WORD_BYTES);
        let first_part = if skipped == 0 { 0 } else { bytes.len().min(WORD_BYTES - skipped) };
        let (head, rest) = bytes.split_at(first_part);
        let words = if head.is_empty() {
            words
        } else {
            store_part(&words[0], skipped, head);
            &words[1..]
        };
        let (whole, tail) = rest.as_chunks::<WORD_BYTES>();
        for (word, bytes) in words[..whole.len()].iter().zip(whole) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        if !tail.is_empty() {
            store_part(&words[whole.len()], 0, tail);
        }
    }

    /// Has the pages that hold bytes of `range` in memory, so that stores to them do not fault until the system has
    /// written them out. An error says that a store to them may be answered with SIGBUS.
    pub(super) fn populate(&self, range: Range<usize>) -> io::Result<()> {
        self.advise(range, Advice::LinuxPopulateWrite)
    }

    /// Gives up this process's hold on the pages of `range`. What was stored stays in the page cache, and a later
    /// store maps its page again.
    pub(super) fn release(&self, range: Range<usize>) -> io::Result<()> {
        self.advise(range, Advice::LinuxDontNeed)
    }

    fn advise(&self, range: Range<usize>, advice: Advice) -> io::Result<()> {
        let start = range.start / LARGEST_PAGE_BYTES * LARGEST_PAGE_BYTES;
        let length = range.end.min(self.length()).saturating_sub(start);
        if length == 0 {
            return Ok(());
        }
        // SAFETY: the range lies within the mapping. Of a shared mapping neither advice changes what is read from it.
        Ok(unsafe { madvise(self.start.as_ptr().byte_add(start).cast(), length, advice) }?)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and nothing borrows from it any more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.length()) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

/// Stores some bytes of a word and leaves the others as they are, whoever stores them meanwhile.
fn store_part(word: &AtomicU64, skipped: usize, part: &[u8]) {
    let with_part = |old: u64| {
        let mut bytes = old.to_ne_bytes();
        bytes[skipped..][..part.len()].copy_from_slice(part);
        Some(u64::from_ne_bytes(bytes))
    };
    // Never refused.
    let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with_part);
}
