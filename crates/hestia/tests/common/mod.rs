//! The command as a process.

#![allow(dead_code, reason = "each test file uses a part")]

use std::fmt::Debug;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// How a command ended and what it wrote.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ended {
    /// Standard output of a command that did well and had nothing to say beside.
    #[track_caller]
    pub fn ok(self) -> Vec<u8> {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        self.stdout
    }

    #[track_caller]
    pub fn ok_text(self) -> String {
        String::from_utf8(self.ok()).unwrap()
    }

    /// The one line on standard error of a command that failed.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.code, Some(2), "{}", self.stderr);
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{}", self.stderr);
        lines[0].strip_prefix("hestia: ").unwrap().to_owned()
    }
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hestia"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn hestia(arguments: &[&str]) -> Ended {
    ended(command(arguments).spawn().unwrap())
}

/// With bytes on standard input.
pub fn hestia_reading(arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // A command that stops early closes the pipe.
        scope.spawn(move || stdin.write_all(input));
        ended(child)
    })
}

fn ended(child: Child) -> Ended {
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder with the path of an index that does not exist yet.
pub struct Place {
    pub folder: TempDir,
    pub index: String,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("index").to_str().unwrap().to_owned();
        Self { folder, index }
    }

    /// With an index of these types.
    pub fn created(key_type: &str, value_type: &str) -> Self {
        let place = Self::new();
        hestia(&["create", &place.index, "--key", key_type, "--value", value_type]).ok();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The names of the index's files with this ending, in order.
    pub fn files(&self, ending: &str) -> Vec<PathBuf> {
        names(Path::new(&self.index))
            .into_iter()
            .filter(|path| path.to_str().unwrap().ends_with(ending))
            .collect()
    }
}

pub fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

/// Inverts a bit.
pub fn flip(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

#[track_caller]
pub fn assert_contains(text: &str, part: impl AsRef<str> + Debug) {
    assert!(text.contains(part.as_ref()), "{part:?} in {text}");
}

/// Numbers that look random and are the same in every run.
pub fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Lines in random order of which about a third have the key of an earlier one.
pub fn shuffled_lines(count: u64) -> Vec<Vec<u8>> {
    let line = |n: u64| {
        let key = mix(mix(n) % count);
        let path = ["usr", "share", "doc", "ü"][(key % 4) as usize];
        format!("{path}/{key:x}\t{n} of {count}\r").into_bytes()
    };
    (0..count).map(line).collect()
}

/// What a scan must show of these lines: by key, of each key the last.
pub fn sorted(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut last = std::collections::BTreeMap::new();
    for line in lines {
        let tab = line.iter().position(|byte| *byte == b'\t').unwrap();
        last.insert(line[..tab].to_vec(), line);
    }
    joined(last.into_values())
}

pub fn joined<'a>(lines: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    lines.into_iter().flat_map(|line| line.iter().chain(b"\n")).copied().collect()
}
