//! The hooks for the tests of others: stopping, filling up, damaging.

use std::io::ErrorKind;

use super::*;

/// Stops at every operation in turn, and looks at what each policy leaves.
#[test]
fn a_script_can_be_stopped_at_every_operation() {
    fn script(directory: &SimulatedDirectory) -> io::Result<()> {
        let file = directory.create("tmp")?;
        file.allocate(4)?;
        file.write_at(0, b"done")?;
        file.sync()?;
        directory.rename("tmp", "file")?;
        directory.sync()?;
        directory.create_folder("f")?;
        directory.remove("file")
    }
    let whole = SimulatedDirectory::new();
    script(&whole).unwrap();
    assert_eq!(whole.operation_count(), 8);
    for stop in 0..8 {
        let directory = SimulatedDirectory::new();
        directory.fail_after(Some(stop));
        let error = script(&directory).unwrap_err();
        assert_eq!(error.to_string(), "simulated crash");
        assert_eq!(directory.operation_count(), stop);
        assert!(directory.list().is_err());
        assert!(directory.lock(LockMode::Shared).is_err());
        assert!(directory.open("file", OpenMode::Read).is_err());
        for policy in CrashPolicy::ALL {
            let found = directory.crash(policy, stop).read_all("file");
            match found {
                Some(bytes) => assert_eq!(bytes, b"done"),
                None => assert!(stop < 6, "synced, and lost by {policy:?}"),
            }
        }
        directory.fail_after(None);
        assert!(directory.list().is_ok());
    }
}

#[test]
fn d8_a_full_disk_refuses_growth_and_nothing_else() {
    let directory = SimulatedDirectory::new();
    directory.set_capacity_bytes(Some(100));
    let log = directory.create("log").unwrap();
    log.allocate(60).unwrap();
    let run = directory.create("run").unwrap();
    run.write_at(0, &[1; 40]).unwrap();
    assert_eq!(run.write_at(39, &[2; 2]).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(run.allocate(41).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(directory.read_all("run"), Some(vec![1; 40]));
    log.write_at(0, &[3; 60]).unwrap();
    log.sync().unwrap();

    directory.remove("run").unwrap();
    assert!(directory.create("next").unwrap().write_at(0, &[1]).is_err(), "still open");
    drop(run);
    let next = directory.open("next", OpenMode::ReadWrite).unwrap();
    next.write_at(0, &[1; 40]).unwrap();
    drop(next);
    directory.rename("log", "next").unwrap();
    drop(log);
    directory.create("more").unwrap().write_at(0, &[1; 40]).unwrap();

    for copy in [directory.kill(), directory.crash(CrashPolicy::KeepAll, 0)] {
        let more = copy.open("more", OpenMode::ReadWrite).unwrap();
        assert_eq!(more.write_at(40, &[1]).unwrap_err().kind(), ErrorKind::StorageFull);
        copy.remove("next").unwrap();
        more.write_at(40, &[1]).unwrap();
        copy.set_capacity_bytes(None);
        more.write_at(1000, &[1]).unwrap();
    }
}

#[test]
fn files_can_be_damaged() {
    let directory = SimulatedDirectory::new();
    let durable = |name: &str| directory.crash(CrashPolicy::LoseAll, 0).read_all(name);
    directory.write_all("a", &[1, 2, 3]).unwrap();
    directory.flip_bit("a", 1, 0x80).unwrap();
    assert_eq!(directory.flip_bit("a", 3, 1).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(directory.flip_bit("b", 0, 1).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(durable("a"), Some(vec![1, 0x82, 3]));
    directory.truncate("a", 1).unwrap();
    directory.truncate("a", 2).unwrap();
    assert_eq!(durable("a"), Some(vec![1, 0]));
    directory.write_all("a", &[7]).unwrap();
    assert_eq!(durable("a"), Some(vec![7]));
    assert_eq!(directory.write_all("no/a", &[7]).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(directory.truncate("a", u64::MAX).is_err());
    assert_eq!(directory.operation_count(), 0);
}

#[test]
fn far_offsets_cost_nothing() {
    let directory = SimulatedDirectory::new();
    let file = directory.create("a").unwrap();
    file.allocate(i64::MAX as u64).unwrap();
    file.write_at(1 << 60, b"far").unwrap();
    file.sync().unwrap();
    directory.sync().unwrap();
    let mut bytes = [1; 5];
    let crashed = directory.crash(CrashPolicy::LoseAll, 0).open("a", OpenMode::Read).unwrap();
    crashed.read_at((1 << 60) - 1, &mut bytes).unwrap();
    assert_eq!(&bytes, b"\0far\0");
}
