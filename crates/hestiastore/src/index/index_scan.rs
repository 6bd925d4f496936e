//! A cursor over the whole index at one point in history: segment by segment, both ways.
//!
//! It pins one segment version at a time, and finds the next segment in the route map of the moment;
//! so splits and merges meanwhile change nothing for it.

use std::borrow::Cow;
use std::sync::Arc;

use super::read::ReadPoint;
use crate::error::Result;
use crate::segment::{Segment, SegmentScan, Step};

/// See the module. Stands on an entry within its bounds, or nowhere.
pub(crate) struct IndexScan {
    point: Arc<ReadPoint>,
    lower: Vec<u8>,
    upper: Option<Vec<u8>>,
    current: Option<(Arc<Segment>, SegmentScan)>,
}

impl IndexScan {
    /// Over the keys from `lower` to before `upper`.
    pub(crate) fn new(point: Arc<ReadPoint>, lower: Vec<u8>, upper: Option<Vec<u8>>) -> Self {
        Self { point, lower, upper, current: None }
    }

    /// Stands on the first key that is not less than `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<bool> {
        self.point.core.health.check_readable()?;
        let mut from = key.max(&self.lower).to_vec();
        loop {
            if !self.is_below_upper(&from) {
                return Ok(self.stand_nowhere());
            }
            let segment = Arc::clone(self.point.core.route.load().find(&from));
            let mut scan = self.open_or_reuse(&segment)?;
            if scan.seek(&from)? {
                return Ok(self.settle(segment, scan));
            }
            match &segment.upper {
                Some(upper) => from = upper.to_vec(),
                None => return Ok(self.stand_nowhere()),
            }
        }
    }

    /// Stands on the last key that is less than `key`; on the last of all for `None`.
    pub(crate) fn seek_before(&mut self, key: Option<&[u8]>) -> Result<bool> {
        self.point.core.health.check_readable()?;
        let mut before: Option<Vec<u8>> = match (key, self.upper.as_deref()) {
            (Some(key), Some(upper)) => Some(key.min(upper).to_vec()),
            (key, upper) => key.or(upper).map(<[u8]>::to_vec),
        };
        loop {
            let route = self.point.core.route.load_full();
            let segment = &route.segments()[route.place_before(before.as_deref())];
            let mut scan = self.open_or_reuse(segment)?;
            if scan.seek_before(before.as_deref())? {
                return Ok(self.settle(Arc::clone(segment), scan));
            }
            if *segment.lower <= *self.lower {
                return Ok(self.stand_nowhere());
            }
            before = Some(segment.lower.to_vec());
        }
    }

    /// Goes on to the next larger key.
    pub(crate) fn next(&mut self) -> Result<bool> {
        let stepped = self.step_forward();
        self.stand_nowhere_after_an_error(stepped)
    }

    fn step_forward(&mut self) -> Result<bool> {
        self.point.core.health.check_readable()?;
        let Some((segment, scan)) = &mut self.current else { return Ok(false) };
        match scan.next(self.upper.as_deref())? {
            Step::WithinBounds => return Ok(true),
            Step::Entry => return Ok(self.stay_in_bounds()),
            Step::End => {}
        }
        match segment.upper.clone() {
            Some(upper) => self.seek(&upper),
            None => Ok(self.stand_nowhere()),
        }
    }

    /// Goes on to the next smaller key.
    pub(crate) fn prev(&mut self) -> Result<bool> {
        let stepped = self.step_backward();
        self.stand_nowhere_after_an_error(stepped)
    }

    fn step_backward(&mut self) -> Result<bool> {
        self.point.core.health.check_readable()?;
        let Some((segment, scan)) = &mut self.current else { return Ok(false) };
        match scan.prev(&self.lower)? {
            Step::WithinBounds => return Ok(true),
            Step::Entry => return Ok(self.stay_in_bounds()),
            Step::End => {}
        }
        if *segment.lower <= *self.lower {
            return Ok(self.stand_nowhere());
        }
        let before = segment.lower.clone();
        self.seek_before(Some(&before))
    }

    pub(crate) fn valid(&self) -> bool {
        self.current.is_some()
    }

    /// The key stood on; empty for none.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], |(_, scan)| scan.key())
    }

    pub(crate) fn value(&self) -> Result<Cow<'_, [u8]>> {
        self.current.as_ref().map_or(Ok(Cow::Borrowed(&[])), |(_, scan)| scan.value())
    }

    /// A scan of the segment's newest version; the one that is open, if it is that.
    fn open_or_reuse(&mut self, segment: &Arc<Segment>) -> Result<SegmentScan> {
        let version = segment.version().clone();
        match self.current.take() {
            Some((current, scan)) if Arc::ptr_eq(&current, segment) && scan.is_on(&version) => {
                // They are in use, though nobody loads them anew.
                version.runs().for_each(|run| run.handle.touch());
                Ok(scan)
            }
            _ => SegmentScan::new(segment, version, &self.point.core.registry, self.point.seq),
        }
    }

    fn settle(&mut self, segment: Arc<Segment>, scan: SegmentScan) -> bool {
        self.current = Some((segment, scan));
        self.stay_in_bounds()
    }

    fn stay_in_bounds(&mut self) -> bool {
        let is_above_lower = self.lower.is_empty() || *self.key() >= *self.lower;
        let within = is_above_lower && self.is_below_upper(self.key());
        within || self.stand_nowhere()
    }

    #[inline]
    fn is_below_upper(&self, key: &[u8]) -> bool {
        self.upper.as_deref().is_none_or(|upper| key < upper)
    }

    /// A source that failed is lost to the merge: going on would leave its entries out.
    fn stand_nowhere_after_an_error(&mut self, stepped: Result<bool>) -> Result<bool> {
        if stepped.is_err() {
            self.current = None;
        }
        stepped
    }

    fn stand_nowhere(&mut self) -> bool {
        self.current = None;
        false
    }
}
