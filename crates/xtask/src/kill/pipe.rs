//! What the writing process says while it lives: each word is one short write to a pipe, which the
//! kernel keeps whole and keeps after the writer's death.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use super::commits::LANES;

/// One thing said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// Opening begins.
    Opening,
    /// The act that it is to be killed in begins.
    Acting,
    /// A commit has returned.
    Acknowledged { lane: u8, number: u64 },
    /// All commits of the lane through this one were flushed.
    Flushed { lane: u8, number: u64 },
}

const WORD_BYTES: usize = 10;

impl Word {
    fn encode(self) -> [u8; WORD_BYTES] {
        let (kind, lane, number) = match self {
            Word::Opening => (1, 0, 0),
            Word::Acting => (2, 0, 0),
            Word::Acknowledged { lane, number } => (3, lane, number),
            Word::Flushed { lane, number } => (4, lane, number),
        };
        let mut bytes = [kind, lane, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[2..].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    fn decode(bytes: [u8; WORD_BYTES]) -> io::Result<Self> {
        let [kind, lane, number @ ..] = bytes;
        let number = u64::from_be_bytes(number);
        match kind {
            1 => Ok(Word::Opening),
            2 => Ok(Word::Acting),
            3 if lane < LANES => Ok(Word::Acknowledged { lane, number }),
            4 if lane < LANES => Ok(Word::Flushed { lane, number }),
            _ => Err(io::Error::other(format!("no word: {bytes:?}"))),
        }
    }

    /// The next word, or `None` when the writer is dead and everything it said is read.
    pub(super) fn read(pipe: &mut impl Read) -> io::Result<Option<Self>> {
        let mut bytes = [0; WORD_BYTES];
        match pipe.read_exact(&mut bytes) {
            Ok(()) => Self::decode(bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The writing end: standard output without its buffer.
#[derive(Debug)]
pub(super) struct Mouth(File);

impl Mouth {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }

    pub(super) fn say(&self, word: Word) -> io::Result<()> {
        (&self.0).write_all(&word.encode())
    }
}

/// What one life of the writing process has promised.
#[derive(Debug, Clone, Default)]
pub(super) struct Promises {
    /// Per lane the last commit that was acknowledged.
    pub(super) acknowledged: [u64; LANES as usize],
    /// Per lane the last commit that was flushed.
    pub(super) flushed: [u64; LANES as usize],
}

impl Promises {
    /// Takes a word in; an error if it cannot follow on those before.
    pub(super) fn hear(&mut self, word: Word) -> io::Result<()> {
        match word {
            Word::Opening | Word::Acting => {}
            Word::Acknowledged { lane, number } => {
                let last = &mut self.acknowledged[usize::from(lane)];
                if number != *last + 1 {
                    return Err(io::Error::other(format!("{word:?} follows on {last}")));
                }
                *last = number;
            }
            Word::Flushed { lane, number } => self.flushed[usize::from(lane)] = number,
        }
        Ok(())
    }

    pub(super) fn commits(&self) -> u64 {
        self.acknowledged.iter().sum()
    }
}
