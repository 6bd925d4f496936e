//! A key type of one's own, without macros: sensor readings ordered by sensor, newest first.

use hestiastore::types::KeyType;
use hestiastore::{Result, SegmentIndex};

#[derive(Debug, Clone, PartialEq)]
struct ReadingKey {
    sensor: u32,
    time_seconds: u64,
}

impl KeyType for ReadingKey {
    fn type_name() -> String {
        "ReadingKey".to_owned()
    }

    /// Big-endian numbers order as bytes; the complement of the time puts the newest first.
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.sensor.to_be_bytes());
        out.extend_from_slice(&(!self.time_seconds).to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let (sensor, time) = <(u32, u64) as KeyType>::decode(bytes)?;
        Ok(Self { sensor, time_seconds: !time })
    }
}

fn main() -> Result<()> {
    let readings = SegmentIndex::<ReadingKey, f64>::in_memory().create()?;
    for (sensor, time_seconds, celsius) in [(7, 100, 19.5), (7, 200, 20.25), (8, 150, 3.0)] {
        readings.put(ReadingKey { sensor, time_seconds }, celsius)?;
    }
    let from = ReadingKey { sensor: 7, time_seconds: u64::MAX };
    let newest = readings.range(from..)?.next().transpose()?;
    assert_eq!(newest, Some((ReadingKey { sensor: 7, time_seconds: 200 }, 20.25)));
    println!("the newest reading of sensor 7: {newest:?}");
    assert_eq!(readings.get(&ReadingKey { sensor: 8, time_seconds: 150 })?, Some(3.0));
    Ok(())
}
