//! What recoveries found in images, so that no two alike are looked at.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hestiastore::config::Durability;
use hestiastore::directory::SimulatedDirectory;

use crate::recovery::{Found, recover};

/// Seen from any thread. Those of different images do not wait for each other.
#[derive(Debug, Default)]
pub struct Recoveries {
    known: [Mutex<Known>; 16],
    pub different: AtomicUsize,
}

type Known = HashMap<(u64, Durability), Arc<Found>>;

impl Recoveries {
    /// What stands in an image, and whether nobody has looked before.
    pub fn of(&self, image: &SimulatedDirectory, mode: Durability) -> Result<(Arc<Found>, bool), String> {
        let key = (image.fingerprint(), mode);
        let known = &self.known[(key.0 % 16) as usize];
        if let Some(found) = known.lock().unwrap().get(&key) {
            return Ok((Arc::clone(found), false));
        }
        self.different.fetch_add(1, Ordering::Relaxed);
        let found = Arc::new(recover(image, mode)?);
        known.lock().unwrap().insert(key, Arc::clone(&found));
        Ok((found, true))
    }
}
