//! A list of filters, its record in a file, and the two directions through it.

use super::FilterId;
use super::lz4::{self, Lz4Table};
use crate::error::{Error, Result};

/// Bits of a chunk's header that say which filters were applied.
const MAX_FILTERS: usize = 8;

/// The filters of a file, in the order of encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilterPipeline {
    filters: Vec<FilterId>,
}

/// Whether a chunk is data, or part of what is read whole when a file is opened. The latter is not
/// compressed, so that its stated length needs no trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Data,
    Directory,
}

/// Buffers of the encoding direction, reused from chunk to chunk.
#[derive(Debug, Default)]
pub(crate) struct FilterScratch {
    current: Vec<u8>,
    next: Vec<u8>,
    lz4: Lz4Table,
}

impl Default for FilterPipeline {
    /// `magic-number`, `crc32`, `lz4`.
    fn default() -> Self {
        Self { filters: vec![FilterId::MagicNumber, FilterId::Crc32, FilterId::Lz4] }
    }
}

impl FilterPipeline {
    /// `magic-number` and `crc32` are put in front where they are missing.
    pub(crate) fn from_names<S: AsRef<str>>(names: &[S]) -> Result<Self> {
        let invalid = |problem: String| Err(Error::InvalidConfig { problems: vec![problem] });
        let mut filters = Vec::with_capacity(names.len() + 2);
        for name in names {
            let name = name.as_ref();
            match FilterId::from_name(name) {
                Some(filter) if filters.contains(&filter) => {
                    return invalid(format!("filters: {name} is listed twice"));
                }
                Some(filter) => filters.push(filter),
                None => return invalid(format!("filters: there is no filter {name:?}")),
            }
        }
        for always in [FilterId::Crc32, FilterId::MagicNumber] {
            if !filters.contains(&always) {
                filters.insert(0, always);
            }
        }
        if filters.len() > MAX_FILTERS {
            return invalid(format!("filters: {} are listed, at most {MAX_FILTERS}", filters.len()));
        }
        if filters.iter().filter(|filter| filter.compresses()).count() > 1 {
            return invalid("filters: more than one compresses".into());
        }
        let pipeline = Self { filters };
        pipeline.require_implemented("the configuration")?;
        Ok(pipeline)
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.filters.iter().map(|filter| filter.name()).collect()
    }

    /// The record in a file: filter numbers in order, then zeros.
    pub(crate) fn encode(&self) -> [u8; MAX_FILTERS] {
        let mut out = [0u8; MAX_FILTERS];
        for (slot, filter) in out.iter_mut().zip(&self.filters) {
            *slot = *filter as u8;
        }
        out
    }

    pub(crate) fn decode(record: [u8; MAX_FILTERS], file: &str) -> Result<Self> {
        let mut filters = Vec::with_capacity(MAX_FILTERS);
        for &number in record.iter().take_while(|&&number| number != 0) {
            match FilterId::from_number(number) {
                Some(filter) if !filters.contains(&filter) => filters.push(filter),
                Some(filter) => {
                    let detail = format!("the filter {} is listed twice", filter.name());
                    return Err(Error::corruption(file, 0, detail));
                }
                None => {
                    let detail = format!("filter number {number} is not known");
                    return Err(Error::Unsupported { file: file.into(), detail });
                }
            }
        }
        let pipeline = Self { filters };
        pipeline.require_implemented(file)?;
        let listed = |filter| pipeline.filters.contains(&filter);
        let always_on = listed(FilterId::MagicNumber) && listed(FilterId::Crc32);
        if pipeline.encode() != record || !always_on {
            return Err(Error::corruption(file, 0, format!("filter record {record:02x?}")));
        }
        Ok(pipeline)
    }

    fn require_implemented(&self, file: &str) -> Result<()> {
        match self.filters.iter().find(|filter| !filter.is_implemented()) {
            None => Ok(()),
            Some(filter) => Err(Error::Unsupported {
                file: file.into(),
                detail: format!("the filter {} is not part of this version", filter.name()),
            }),
        }
    }

    /// Takes a payload through the pipeline. Returns which filters were applied and the stored bytes.
    pub(crate) fn apply<'a>(
        &self,
        section: Section,
        payload: &'a [u8],
        scratch: &'a mut FilterScratch,
    ) -> (u8, &'a [u8]) {
        let mut applied = self.always_on();
        let mut transformed = false;
        for (bit, filter) in self.filters.iter().enumerate() {
            let FilterScratch { current, next, lz4 } = &mut *scratch;
            let input = if transformed { current.as_slice() } else { payload };
            let changed = match filter {
                FilterId::Lz4 => section == Section::Data && lz4::compress(input, next, lz4),
                _ => false,
            };
            if changed {
                std::mem::swap(&mut scratch.current, &mut scratch.next);
                applied |= 1 << bit;
                transformed = true;
            } else if *filter == FilterId::PassThrough {
                applied |= 1 << bit;
            }
        }
        (applied, if transformed { &scratch.current } else { payload })
    }

    /// The way back. The caller has compared `decoded_bytes` with the largest that its file allows.
    pub(crate) fn revert(&self, applied: u8, stored: &[u8], decoded_bytes: u32) -> Result<Vec<u8>, String> {
        self.check_applied(applied)?;
        let decoded_bytes = decoded_bytes as usize;
        let compressed = self.filters.contains(&FilterId::Lz4) && applied & self.bit(FilterId::Lz4) != 0;
        if !compressed {
            if stored.len() != decoded_bytes {
                return Err(format!("{} bytes are stored as they are, {decoded_bytes} stated", stored.len()));
            }
            return Ok(stored.to_vec());
        }
        if decoded_bytes as u64 > (stored.len() as u64).saturating_mul(lz4::MAX_GROWTH) {
            return Err(format!("{} bytes cannot decode to {decoded_bytes}", stored.len()));
        }
        lz4::decompress(stored, decoded_bytes)
    }

    /// Whether a chunk may have been through these filters.
    pub(crate) fn check_applied(&self, applied: u8) -> Result<(), String> {
        let unknown = applied & !self.known_bits();
        let missing = self.always_on() & !applied;
        if unknown != 0 || missing != 0 {
            return Err(format!("the chunk states filters {applied:08b} of {:?}", self.names()));
        }
        Ok(())
    }

    fn known_bits(&self) -> u8 {
        ((1u16 << self.filters.len().min(MAX_FILTERS)) - 1) as u8
    }

    fn always_on(&self) -> u8 {
        self.bit(FilterId::MagicNumber) | self.bit(FilterId::Crc32)
    }

    /// The filter's bit; none if it is not listed.
    fn bit(&self, wanted: FilterId) -> u8 {
        let at = self.filters.iter().position(|&filter| filter == wanted);
        at.map_or(0, |at| 1u8.checked_shl(at as u32).unwrap_or(0))
    }
}
