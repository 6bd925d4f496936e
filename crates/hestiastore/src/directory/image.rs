//! The bytes of a file as shared pages: copying an image copies no bytes, and a write to a page that
//! another image shares copies that page.
//!
//! Invariant: pages hold zeros at and behind `length`, and a page that is absent is all zeros.

use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const PAGE_BYTES: u64 = 4096;

type Page = [u8; PAGE_BYTES as usize];

#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    pages: BTreeMap<u64, Arc<Page>>,
    length: u64,
}

/// What a range of bytes covers of one page or sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// The number of the page or sector.
    pub(super) unit: u64,
    /// Where in it the piece begins.
    pub(super) start: usize,
    /// Never zero.
    pub(super) length: usize,
}

/// Cuts a range at the multiples of `unit_bytes`.
pub(super) fn pieces(mut offset: u64, length: usize, unit_bytes: u64) -> impl Iterator<Item = Piece> {
    let mut left = length as u64;
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let start = offset % unit_bytes;
        let length = left.min(unit_bytes - start);
        let piece = Piece { unit: offset / unit_bytes, start: start as usize, length: length as usize };
        offset += length;
        left -= length;
        Some(piece)
    })
}

impl Image {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Fills as much of `buffer` as lies before the end.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let readable = self.length.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let mut rest = buffer.split_at_mut(readable).0;
        for piece in pieces(offset, readable, PAGE_BYTES) {
            let (target, behind) = rest.split_at_mut(piece.length);
            match self.pages.get(&piece.unit) {
                Some(page) => target.copy_from_slice(&page[piece.start..][..piece.length]),
                None => target.fill(0),
            }
            rest = behind;
        }
        readable
    }

    /// Extends the image where needed.
    pub(super) fn write(&mut self, offset: u64, mut bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        for piece in pieces(offset, bytes.len(), PAGE_BYTES) {
            let (source, behind) = bytes.split_at(piece.length);
            let page = self.pages.entry(piece.unit).or_insert_with(|| Arc::new([0; PAGE_BYTES as usize]));
            Arc::make_mut(page)[piece.start..][..piece.length].copy_from_slice(source);
            self.length = self.length.max(piece.unit * PAGE_BYTES + (piece.start + piece.length) as u64);
            bytes = behind;
        }
    }

    /// Extends the image with zeros; a longer one stays as it is.
    pub(super) fn extend(&mut self, length: u64) {
        self.length = self.length.max(length);
    }
}

#[cfg(any(test, feature = "simulation"))]
impl Image {
    /// Cuts the image, or extends it with zeros.
    pub(super) fn set_length(&mut self, length: u64) {
        if length < self.length {
            self.pages.split_off(&length.div_ceil(PAGE_BYTES));
            let kept = (length % PAGE_BYTES) as usize;
            let last = self.pages.get_mut(&(length / PAGE_BYTES));
            if let Some(page) = last.filter(|_| kept > 0) {
                Arc::make_mut(page)[kept..].fill(0);
            }
        }
        self.length = length;
    }

    /// Feeds length and bytes to a hash; equal images feed it alike.
    pub(super) fn feed(&self, hash: &mut impl std::hash::Hasher) {
        hash.write_u64(self.length);
        for (unit, page) in self.pages.iter().filter(|(_, page)| page.iter().any(|&byte| byte != 0)) {
            hash.write_u64(*unit);
            hash.write(&page[..]);
        }
    }

    /// Takes over one page of an image that is at least as long, sharing it.
    pub(super) fn share_page(&mut self, other: &Image, unit: u64) {
        if let Some(page) = other.pages.get(&unit) {
            self.pages.insert(unit, Arc::clone(page));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cut_at_units() {
        let cut: Vec<_> = pieces(510, 515, 512).map(|p| (p.unit, p.start, p.length)).collect();
        assert_eq!(cut, [(0, 510, 2), (1, 0, 512), (2, 0, 1)]);
        assert_eq!(pieces(7, 0, 512).count(), 0);
    }

    #[test]
    fn a_cut_leaves_zeros_behind_it() {
        let mut image = Image::default();
        image.write(4000, &[7; 5000]);
        let copy = image.clone();
        image.set_length(4100);
        image.set_length(9000);
        let mut bytes = [1; 9000];
        assert_eq!(image.read(0, &mut bytes), 9000);
        assert!(bytes[..4000].iter().all(|&b| b == 0));
        assert!(bytes[4000..4100].iter().all(|&b| b == 7));
        assert!(bytes[4100..].iter().all(|&b| b == 0));
        assert_eq!(copy.read(4000, &mut bytes), 5000);
        assert!(bytes[..5000].iter().all(|&b| b == 7));
    }
}
