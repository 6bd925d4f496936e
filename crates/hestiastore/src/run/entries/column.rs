//! A column of byte strings inside a chunk's payload.

/// Strings of one length, or of lengths given by an array of n + 1 ascending offsets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    offsets_at: u32,
    data_at: u32,
    /// Length of each string where `width` is 0.
    fixed: u32,
    width: u8,
}

/// The narrowest width for offsets up to `total`.
pub(super) fn offset_width(total: usize) -> u8 {
    match total {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    }
}

pub(super) fn put_offset(out: &mut Vec<u8>, width: u8, offset: u32) {
    let bytes = offset.to_be_bytes();
    out.extend_from_slice(&bytes[4 - usize::from(width.min(4))..]);
}

impl Column {
    /// Takes `n` strings of `total` bytes at `at`, and checks all offsets. Returns the column and
    /// where it ends.
    pub(super) fn parse(
        payload: &[u8],
        at: usize,
        width: u8,
        n: usize,
        total: usize,
    ) -> Result<(Self, usize), String> {
        let offset_bytes = match width {
            0 => 0,
            1 | 2 | 4 => (n + 1).saturating_mul(usize::from(width)),
            _ => return Err(format!("offsets of {width} bytes")),
        };
        let data_at = at.saturating_add(offset_bytes);
        let end = data_at.saturating_add(total);
        if end > payload.len() {
            return Err(format!("a column ends at {end}, the payload at {}", payload.len()));
        }
        let fixed = total.checked_div(n).unwrap_or(0);
        let column = Self { offsets_at: at as u32, data_at: data_at as u32, fixed: fixed as u32, width };
        if width == 0 {
            if fixed * n != total {
                return Err(format!("{total} bytes are not {n} strings of one length"));
            }
            return Ok((column, end));
        }
        let mut previous = 0;
        for i in 0..=n {
            let offset = column.offset(payload, i);
            if offset < previous || (i == 0 && offset != 0) {
                return Err(format!("offset {i} is {offset}, behind {previous}"));
            }
            previous = offset;
        }
        if previous != total {
            return Err(format!("the last offset is {previous}, not {total}"));
        }
        Ok((column, end))
    }

    /// String `i`; empty if there is none.
    #[inline]
    pub(super) fn get<'a>(&self, payload: &'a [u8], i: usize) -> &'a [u8] {
        let (start, end) = self.range(payload, i);
        payload.get(start..end).unwrap_or(&[])
    }

    /// Where string `i` lies in the payload.
    #[inline]
    pub(super) fn range(&self, payload: &[u8], i: usize) -> (usize, usize) {
        let data_at = self.data_at as usize;
        if self.width == 0 {
            let start = data_at + i * self.fixed as usize;
            (start, start + self.fixed as usize)
        } else {
            (data_at + self.offset(payload, i), data_at + self.offset(payload, i + 1))
        }
    }

    #[inline]
    fn offset(&self, payload: &[u8], i: usize) -> usize {
        let at = self.offsets_at as usize;
        match self.width {
            1 => payload.get(at + i).map_or(0, |&byte| usize::from(byte)),
            2 => read_u16(payload, at + 2 * i) as usize,
            _ => read_u32(payload, at + 4 * i) as usize,
        }
    }
}

#[inline]
pub(super) fn read_u16(bytes: &[u8], at: usize) -> u16 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u16::from_be_bytes(*field))
}

#[inline]
pub(super) fn read_u32(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u32::from_be_bytes(*field))
}

#[inline]
pub(super) fn read_u64(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u64::from_be_bytes(*field))
}
