//! No engine. Buffered it does nothing: its rows are the harness's own cost. Durable it appends 64 bytes and
//! calls `fdatasync`: its rows are what one naive log sync costs on this disk.

use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use crate::engine::{Engine, Found, Res, Settings, Visit};

pub struct Null {
    log: Mutex<File>,
    durable: bool,
}

impl Null {
    pub fn open(settings: &Settings) -> Res<Self> {
        let log = File::options().create(true).append(true).open(settings.dir.join("log"))?;
        Ok(Self { log: Mutex::new(log), durable: settings.durable })
    }

    fn write(&self) -> Res<()> {
        if self.durable {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.write_all(&[7; 64])?;
            log.sync_data()?;
        }
        Ok(())
    }
}

impl Engine for Null {
    fn describe(&self) -> String {
        "no engine: the harness alone; durable: append of 64 bytes and fdatasync".into()
    }

    fn put(&self, _key: &[u8], _value: &[u8]) -> Res<()> {
        self.write()
    }

    fn put_batch(&self, _entries: &[(&[u8], &[u8])]) -> Res<()> {
        self.write()
    }

    fn delete(&self, _key: &[u8]) -> Res<()> {
        self.write()
    }

    fn get(&self, _key: &[u8], _found: &mut Found) -> Res<bool> {
        Ok(false)
    }

    fn scan(&self, _from: &[u8], _visit: &mut Visit) -> Res<()> {
        Ok(())
    }

    fn scan_back(&self, _before: &[u8], _visit: &mut Visit) -> Res<()> {
        Ok(())
    }

    fn sync(&self) -> Res<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Res<()> {
        Ok(())
    }
}
