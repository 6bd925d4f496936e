//! The lock between handles, threads and processes, and where nothing can be written.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;

use super::*;

fn exclude_each_other(first: &dyn Directory, second: &dyn Directory) {
    use LockMode::{Exclusive, Shared};
    let held = first.lock(Exclusive).unwrap();
    for mode in [Exclusive, Shared] {
        let error = second.lock(mode).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let process = format!("process {} on host ", std::process::id());
        assert!(error.to_string().starts_with(&process), "{error}");
        assert!(error.to_string().contains(" since 20"), "{error}");
    }
    drop(held);

    let (one, two) = (first.lock(Shared).unwrap(), second.lock(Shared).unwrap());
    drop(one);
    let error = first.lock(Exclusive).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(error.to_string().contains("readers"), "{error}");
    drop(two);
    drop(first.lock(Exclusive).unwrap());
    assert!(!first.list().unwrap().contains(&".lock".to_owned()));
}

#[test]
fn locks_exclude_handles_of_one_process() {
    let place = tempfile::tempdir().unwrap();
    let open = || FsDirectory::open(place.path()).unwrap();
    exclude_each_other(&open(), &open());
    assert!(place.path().join(".lock").exists());
    let memory = MemoryDirectory::new();
    exclude_each_other(&memory, &memory.clone());
    let simulated = SimulatedDirectory::new();
    exclude_each_other(&simulated, &simulated.clone());
}

#[test]
fn one_of_many_threads_gets_the_lock() {
    let place = tempfile::tempdir().unwrap();
    let memory = MemoryDirectory::new();
    let barrier = Barrier::new(4);
    for on_disk in [true, false] {
        let locks: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let directory: Box<dyn Directory> = match on_disk {
                            true => Box::new(FsDirectory::open(place.path()).unwrap()),
                            false => Box::new(memory.clone()),
                        };
                        barrier.wait();
                        directory.lock(LockMode::Exclusive)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        // A loser that looks who holds the lock may push another loser aside, but never a winner.
        assert_eq!(locks.iter().filter(|lock| lock.is_ok()).count(), 1);
    }
}

const CHILD_PATH: &str = "HESTIASTORE_TEST_LOCK_PATH";
const CHILD_MODE: &str = "HESTIASTORE_TEST_LOCK_MODE";

/// Not a test of its own: other tests run it as a second process. It says how locking went, and
/// holds on until its input ends.
#[test]
fn child_that_locks() {
    let Some(path) = std::env::var_os(CHILD_PATH) else {
        return;
    };
    let mode = match std::env::var(CHILD_MODE).as_deref() {
        Ok("shared") => LockMode::Shared,
        _ => LockMode::Exclusive,
    };
    let outcome = FsDirectory::open(Path::new(&path)).and_then(|directory| directory.lock(mode));
    let answer = match &outcome {
        Ok(_) => "held".to_owned(),
        Err(error) => format!("{:?}: {error}", error.kind()),
    };
    writeln!(io::stdout(), "\nanswer {answer}").unwrap();
    io::stdin().read_line(&mut String::new()).unwrap();
}

fn child(path: &Path, mode: &str, user: Option<u32>) -> io::Result<(Child, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--exact", "directory::lock_tests::child_that_locks", "--nocapture"])
        .env(CHILD_PATH, path)
        .env(CHILD_MODE, mode)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(user) = user {
        command.uid(user);
    }
    let mut child = command.spawn()?;
    let output = BufReader::new(child.stdout.take().unwrap());
    let answer = output
        .lines()
        .map_while(|line| line.ok())
        .find_map(|line| line.strip_prefix("answer ").map(str::to_owned));
    Ok((child, answer.unwrap()))
}

#[test]
fn the_death_of_a_process_gives_its_lock_up() {
    let place = tempfile::tempdir().unwrap();
    let directory = FsDirectory::open(place.path()).unwrap();
    let (mut holder, answer) = child(place.path(), "exclusive", None).unwrap();
    assert_eq!(answer, "held");
    let error = directory.lock(LockMode::Exclusive).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(error.to_string().starts_with(&format!("process {} on host", holder.id())), "{error}");
    assert!(directory.lock(LockMode::Shared).is_err());
    holder.kill().unwrap();
    holder.wait().unwrap();

    // The text of the dead is still there and misleads nobody.
    let reader = directory.lock(LockMode::Shared).unwrap();
    let error = directory.lock(LockMode::Exclusive).unwrap_err();
    assert!(error.to_string().contains("readers"), "{error}");
    drop(reader);

    let held = directory.lock(LockMode::Exclusive).unwrap();
    let (mut loser, answer) = child(place.path(), "shared", None).unwrap();
    let expected = format!("WouldBlock: process {} on host", std::process::id());
    assert!(answer.starts_with(&expected), "{answer}");
    drop(loser.stdin.take());
    loser.wait().unwrap();
    drop(held);
}

#[test]
fn d9_a_read_only_directory_can_be_locked_by_readers() {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    set_permissions(path, Permissions::from_mode(0o555)).unwrap();
    // The superuser writes everywhere, so another user tries.
    let user = (metadata("/proc/self").unwrap().uid() == 0).then_some(65_534);
    let try_as_user = |mode: &str| {
        let (mut child, answer) = child(path, mode, user).ok()?;
        drop(child.stdin.take());
        child.wait().unwrap();
        Some(answer)
    };
    let Some(answer) = try_as_user("shared") else {
        return; // that user may not run this program
    };
    assert!(answer.starts_with("PermissionDenied: .lock in "), "{answer}");
    assert!(answer.contains("cannot be opened or made"), "{answer}");

    set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    std::fs::write(path.join(".lock"), "").unwrap();
    set_permissions(path.join(".lock"), Permissions::from_mode(0o444)).unwrap();
    set_permissions(path, Permissions::from_mode(0o555)).unwrap();
    assert_eq!(try_as_user("shared").unwrap(), "held");
    let answer = try_as_user("exclusive").unwrap();
    assert!(answer.starts_with("PermissionDenied: .lock in "), "{answer}");
    set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn d9_a_directory_that_refuses_changes_says_so() {
    // Nobody, not even the superuser, can make a file here.
    let Ok(directory) = FsDirectory::open("/sys") else {
        return;
    };
    assert!(directory.create("x").is_err());
    for mode in [LockMode::Shared, LockMode::Exclusive] {
        let error = directory.lock(mode).unwrap_err();
        assert!(error.to_string().contains(".lock in /sys cannot be opened or made"), "{error}");
    }
}
