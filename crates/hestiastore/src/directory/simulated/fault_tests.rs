//! Each fault does what it says, to the operations that its rule names and to no others.

use std::io::ErrorKind;

use super::*;

fn log_of(directory: &SimulatedDirectory, bytes: &[u8]) -> Arc<dyn File> {
    let file = directory.create("log").unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    directory.sync().unwrap();
    file
}

fn after_a_crash(directory: &SimulatedDirectory) -> Vec<u8> {
    directory.crash(CrashPolicy::LoseAll, 0).read_all("log").unwrap()
}

fn read(file: &Arc<dyn File>, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let count = file.read_at(offset, &mut bytes).unwrap();
    bytes.truncate(count);
    bytes
}

#[test]
fn before_and_after_the_effect() {
    let directory = SimulatedDirectory::new();
    let file = log_of(&directory, b"old");
    directory
        .inject(FaultRule::new(Fault::FailBefore(ErrorKind::Other)).on(&[OperationKind::Write]).times(1));
    assert!(file.write_at(0, b"new").is_err());
    assert_eq!(read(&file, 0, 3), b"old");
    directory.inject(
        FaultRule::new(Fault::FailAfter(ErrorKind::QuotaExceeded)).on(&[OperationKind::Write]).times(1),
    );
    assert_eq!(file.write_at(0, b"new").unwrap_err().kind(), ErrorKind::QuotaExceeded);
    assert_eq!(read(&file, 0, 3), b"new");
    directory.inject(FaultRule::new(Fault::FailAfter(ErrorKind::Other)).names("l*").times(1));
    assert!(directory.rename("log", "moved").is_err());
    assert!(directory.open("moved", OpenMode::Read).is_ok());
    assert_eq!(directory.fault_count(), 3);
}

#[test]
fn a_failed_sync_forgets_what_was_pending() {
    let directory = SimulatedDirectory::new();
    let file = log_of(&directory, b"old");
    directory.inject(FaultRule::new(Fault::FailSyncAndForget).times(2));
    file.write_at(0, b"newer").unwrap();
    assert!(file.sync().is_err());
    directory.create("more").unwrap();
    assert!(directory.sync().is_err());
    assert_eq!(read(&file, 0, 9), b"newer", "reads do not show it");
    file.sync().unwrap();
    directory.sync().unwrap();
    assert_eq!(after_a_crash(&directory), b"old\0\0");
    assert_eq!(directory.crash(CrashPolicy::KeepAll, 0).list().unwrap(), ["log"]);
    file.write_at(0, b"again").unwrap();
    file.sync().unwrap();
    assert_eq!(after_a_crash(&directory), b"again");
}

#[test]
fn a_lying_sync_leaves_everything_pending() {
    let directory = SimulatedDirectory::new();
    let file = log_of(&directory, b"old");
    directory.inject(FaultRule::new(Fault::LieAboutSync).times(2));
    file.write_at(0, b"new").unwrap();
    file.sync().unwrap();
    directory.rename("log", "moved").unwrap();
    directory.sync().unwrap();
    assert_eq!(after_a_crash(&directory), b"old");
    file.sync().unwrap();
    assert_eq!(after_a_crash(&directory), b"new");
}

#[test]
fn short_reads_are_read_on() {
    let directory = SimulatedDirectory::new();
    let file = log_of(&directory, b"0123456789");
    directory.inject(FaultRule::new(Fault::ShortRead));
    assert_eq!(read(&file, 1, 5), b"12345");
    assert_eq!(read(&file, 5, 50), b"56789");
    assert_eq!(read(&file, 10, 1), b"");
    assert_eq!(directory.fault_count(), 3);
}

#[test]
fn flipped_bits() {
    let directory = SimulatedDirectory::new();
    let file = log_of(&directory, &[0; 64]);
    let ones = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
    directory.inject(FaultRule::new(Fault::FlipBitOnRead).times(1));
    assert_eq!(ones(&read(&file, 0, 64)), 1);
    assert_eq!(ones(&read(&file, 0, 64)), 0);
    directory.inject(FaultRule::new(Fault::FlipBitOnWrite).times(1));
    file.write_at(0, &[0; 64]).unwrap();
    assert_eq!(ones(&read(&file, 0, 64)), 1);
}

#[test]
fn lost_and_misdirected_bytes() {
    let directory = SimulatedDirectory::new();
    let file = log_of(&directory, b"aaaaaaaa");
    directory.inject(FaultRule::new(Fault::LoseWrite).times(1));
    file.write_at(6, b"bbbb").unwrap();
    file.sync().unwrap();
    assert_eq!(after_a_crash(&directory), b"aaaaaaaa\0\0");
    directory.inject(FaultRule::new(Fault::Misdirect { by: 4 }).times(2));
    file.write_at(0, b"cc").unwrap();
    assert_eq!(read(&file, 0, 4), b"cc".iter().chain(b"aa").copied().collect::<Vec<u8>>());
    assert_eq!(read(&file, 0, 10), b"aaaaccaa\0\0");
}

#[test]
fn rules_choose_by_place_name_and_chance() {
    let directory = SimulatedDirectory::new();
    let (log, run) = (directory.create("1.wal").unwrap(), directory.create("2.sst").unwrap());
    directory.inject(FaultRule::new(Fault::FailBefore(ErrorKind::Other)).names("*.wal").from_nth(1).times(2));
    let outcomes: Vec<bool> = (0..5).map(|_| log.write_at(0, &[1]).is_ok()).collect();
    assert_eq!(outcomes, [true, false, false, true, true]);
    run.write_at(0, &[1]).unwrap();
    directory.clear_faults();

    let failed = |seed: u64| -> Vec<bool> {
        directory.clear_faults();
        directory.inject(FaultRule::new(Fault::FailBefore(ErrorKind::Other)).by_chance(300, seed));
        (0..200).map(|_| run.write_at(0, &[1]).is_err()).collect()
    };
    assert_eq!(failed(1), failed(1));
    assert_ne!(failed(1), failed(2));
    assert!((30..90).contains(&failed(3).iter().filter(|failed| **failed).count()));
}

#[test]
fn the_log_of_operations_tells_all() {
    let directory = SimulatedDirectory::new();
    directory.record_operations(true);
    directory.inject(FaultRule::new(Fault::ShortRead));
    let file = directory.create("a").unwrap();
    file.write_at(3, b"xyz").unwrap();
    let _ = read(&file, 0, 6);
    directory.rename("a", "b").unwrap();
    directory.sync().unwrap();
    let told: Vec<String> = directory.take_operations().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["Create a 0+0", "Write a 3+3", "Read a 0+6 ShortRead", "Rename a 0+0", "SyncNames  0+0"]
    );
    assert_eq!(directory.take_operations(), []);
}
