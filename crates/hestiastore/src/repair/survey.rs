//! What lies in the directory: each file of ours, whose it is, and whether it is whole. Changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::options::RepairOptions;
use crate::block::read_exactly;
use crate::config::Config;
use crate::directory::{Directory, OpenMode};
use crate::error::{Error, Result};
use crate::file_header::{FILE_HEADER_BYTES, FileHeader};
use crate::manifest::{MANIFEST_NAME, ManifestState, ProvenManifest, manifest_uuid, read_proven};
use crate::run::{
    ChunkCache, FilterPipeline, RUN_MAGIC, RUN_VERSION, Run, RunCheck, RunHints, RunProperties,
    parse_run_file_name, run_file_name,
};
use crate::wal::{FirstRecord, holds_records, parse_log_file_name, read_beginning};

/// See the module.
pub(super) struct Survey {
    pub(super) directory: Arc<dyn Directory>,
    pub(super) index_uuid: u128,
    /// As stored, or else the default with the caller's settings.
    pub(super) config: Config,
    pub(super) manifest: FoundManifest,
    /// By the uid that a run has, whatever its name.
    pub(super) runs: BTreeMap<u64, FoundRun>,
    pub(super) logs: Vec<FoundLog>,
    /// Files with a name of ours that belong to nothing, and why.
    pub(super) strays: Vec<(String, String)>,
}

pub(super) enum FoundManifest {
    Readable(Box<ProvenManifest>),
    /// Nothing of it can be used.
    Unreadable(String),
    Missing,
}

pub(super) struct FoundRun {
    pub(super) uid: u64,
    pub(super) file: String,
    pub(super) condition: RunCondition,
}

pub(super) enum RunCondition {
    Sound {
        properties: Box<RunProperties>,
        file_bytes: u64,
    },
    /// The properties, if the file can be opened all the same.
    Damaged {
        detail: String,
        properties: Option<Box<RunProperties>>,
    },
}

pub(super) struct FoundLog {
    pub(super) number: u64,
    pub(super) file: String,
    /// `None`: the header cannot be read.
    pub(super) beginning: Option<LogBeginning>,
    /// Not so of a log that was never used.
    pub(super) may_hold_records: bool,
}

#[derive(Clone, Copy)]
pub(super) struct LogBeginning {
    pub(super) index_uuid: u128,
    pub(super) uid: u64,
    /// Absent in a log that was never used, or lost its beginning.
    pub(super) first: Option<FirstRecord>,
}

impl FoundRun {
    pub(super) fn is_sound(&self) -> bool {
        matches!(self.condition, RunCondition::Sound { .. }) && !self.is_misnamed()
    }

    /// The file has another run's name.
    pub(super) fn is_misnamed(&self) -> bool {
        self.file != run_file_name(self.uid)
    }

    /// Of a whole file, whatever its name.
    pub(super) fn properties(&self) -> Option<&RunProperties> {
        match &self.condition {
            RunCondition::Sound { properties, .. } => Some(properties),
            RunCondition::Damaged { .. } => None,
        }
    }

    /// What an opening, which does not look at all of a file, would take for its properties.
    pub(super) fn stated_properties(&self) -> Option<&RunProperties> {
        match &self.condition {
            RunCondition::Sound { properties, .. } => Some(properties),
            RunCondition::Damaged { properties, .. } => properties.as_deref(),
        }
    }

    /// Whether all operations that went into it are among those of seqs from the first on to before the second.
    pub(super) fn is_within(&self, (first, next): (u64, u64)) -> bool {
        let seqs = self.stated_properties().and_then(|properties| properties.seqs);
        seqs.is_some_and(|(least, greatest)| first <= least && greatest < next)
    }

    /// What is wrong with it.
    pub(super) fn damage(&self) -> String {
        match &self.condition {
            RunCondition::Sound { .. } => format!("it is run {:016x} under another name", self.uid),
            RunCondition::Damaged { detail, .. } => detail.clone(),
        }
    }
}

impl Survey {
    pub(super) fn make(directory: &Arc<dyn Directory>, options: &RepairOptions) -> Result<Self> {
        let names = list(&**directory)?;
        let manifest = find_manifest(&**directory, &names)?;
        let state = match &manifest {
            FoundManifest::Readable(proven) => Some(&proven.state),
            FoundManifest::Unreadable(_) | FoundManifest::Missing => None,
        };
        let config = match state {
            Some(state) => Config::decode(&state.config)?,
            None => Config::default().patched(&options.settings),
        };
        let headers = read_run_headers(&**directory, &names)?;
        let logs = find_logs(&**directory, &names)?;
        let index_uuid = choose_uuid(&**directory, state, &headers, &logs, options);
        let mut survey = Self {
            directory: Arc::clone(directory),
            index_uuid,
            config,
            manifest,
            runs: BTreeMap::new(),
            logs: Vec::new(),
            strays: Vec::new(),
        };
        survey.take_logs(logs);
        for header in headers {
            survey.take_run(header)?;
        }
        Ok(survey)
    }

    /// What is known of a run in case that it does not tell itself.
    pub(super) fn hints(&self, uid: u64) -> RunHints {
        let names: Vec<&str> = self.config.chunk.filters.iter().collect();
        RunHints {
            uid,
            index_uuid: self.index_uuid,
            block_bytes: self.config.io.block_bytes as u32,
            pipeline: FilterPipeline::from_names(&names).unwrap_or_default(),
        }
    }

    /// Whether a log that the manifest lists and an open would read is not there.
    pub(super) fn lacks_a_log(&self, state: &ManifestState) -> bool {
        let (_, needed) = state.spent_and_needed_logs();
        needed.iter().any(|log| !self.logs.iter().any(|found| found.number == log.number))
    }

    fn take_logs(&mut self, logs: Vec<FoundLog>) {
        for log in logs {
            match log.beginning {
                Some(beginning) if beginning.index_uuid != self.index_uuid => {
                    let uuid = beginning.index_uuid;
                    self.strays.push((log.file, format!("it is of another index, {uuid:032x}")));
                }
                _ => self.logs.push(log),
            }
        }
    }

    fn take_run(&mut self, header: RunHeader) -> Result<()> {
        let RunHeader { file, header } = header;
        if let Some(header) = header.as_ref().filter(|header| header.index_uuid != self.index_uuid) {
            let uuid = header.index_uuid;
            self.strays.push((file, format!("it is of another index, {uuid:032x}")));
            return Ok(());
        }
        let named = parse_run_file_name(&file);
        let Some(uid) = header.map(|header| header.file_uid).or(named) else {
            self.strays.push((file, "it is no run that could be read".into()));
            return Ok(());
        };
        let condition = examine(&self.directory, &file, uid, self.index_uuid)?;
        let found = FoundRun { uid, file, condition };
        // Of two files of one run the better one counts.
        let other = match self.runs.remove(&uid) {
            Some(other) if other.is_sound() || !found.is_sound() => {
                self.runs.insert(uid, other);
                Some(found)
            }
            other => {
                self.runs.insert(uid, found);
                other
            }
        };
        if let Some(FoundRun { file, .. }) = other {
            self.strays.push((file, format!("it is a second copy of run {uid:016x}")));
        }
        Ok(())
    }
}

pub(super) fn list(directory: &dyn Directory) -> Result<Vec<String>> {
    let names = directory.list();
    let mut names = names.map_err(|source| Error::io("list", directory.location(), source))?;
    names.sort();
    Ok(names)
}

/// Whether a file's name says that it belongs to an index.
pub(super) fn is_ours(name: &str) -> bool {
    name == MANIFEST_NAME || is_run_name(name) || parse_log_file_name(name).is_some()
}

fn is_run_name(name: &str) -> bool {
    name.starts_with("run-") && name.ends_with(".sst")
}

fn find_manifest(directory: &dyn Directory, names: &[String]) -> Result<FoundManifest> {
    if !names.iter().any(|name| name == MANIFEST_NAME) {
        return Ok(FoundManifest::Missing);
    }
    match read_proven(directory) {
        Ok(proven) => Ok(FoundManifest::Readable(Box::new(proven))),
        Err(error) => Ok(FoundManifest::Unreadable(damage_of(error)?)),
    }
}

struct RunHeader {
    file: String,
    header: Option<FileHeader>,
}

fn read_run_headers(directory: &dyn Directory, names: &[String]) -> Result<Vec<RunHeader>> {
    let runs = names.iter().filter(|name| is_run_name(name));
    runs.map(|name| {
        let header = match read_header(directory, name) {
            Ok(header) => Some(header),
            Err(error) => damage_of(error).map(|_| None)?,
        };
        Ok(RunHeader { file: name.clone(), header })
    })
    .collect()
}

fn read_header(directory: &dyn Directory, name: &str) -> Result<FileHeader> {
    let file = directory.open(name, OpenMode::Read);
    let file = file.map_err(|source| Error::io("open", name, source))?;
    let mut bytes = [0u8; FILE_HEADER_BYTES];
    read_exactly(&*file, name, 0, &mut bytes)?;
    let header = FileHeader::decode(&bytes, RUN_MAGIC, name)?;
    header.require(RUN_VERSION, 0, name)?;
    Ok(header)
}

fn examine(directory: &Arc<dyn Directory>, name: &str, uid: u64, index_uuid: u128) -> Result<RunCondition> {
    let file = directory.open(name, OpenMode::Read);
    let file = file.map_err(|source| Error::io("open", name, source))?;
    let run = match Run::open_file(file, name.into(), uid, index_uuid, ChunkCache::new(0)) {
        Ok(run) => run,
        Err(error) => {
            return Ok(RunCondition::Damaged { detail: damage_of(error)?, properties: None });
        }
    };
    let run = Arc::new(run);
    let (listed, unlisted) = RunCheck::new(Arc::clone(&run)).finish().into_parts();
    let mut problems = listed.into_iter();
    match problems.next() {
        None => Ok(RunCondition::Sound {
            properties: Box::new(run.properties().clone()),
            file_bytes: run.file_bytes(),
        }),
        Some(first) => {
            let first = damage_of(first)?;
            let detail = match problems.len() as u64 + unlisted {
                0 => first,
                more => format!("{first}; and {more} more problems"),
            };
            Ok(RunCondition::Damaged { detail, properties: Some(Box::new(run.properties().clone())) })
        }
    }
}

fn find_logs(directory: &dyn Directory, names: &[String]) -> Result<Vec<FoundLog>> {
    let numbered = names.iter().filter_map(|name| Some((name, parse_log_file_name(name)?)));
    numbered
        .map(|(name, number)| {
            let beginning = match read_beginning(directory, name) {
                Ok((header, first)) => {
                    Some(LogBeginning { index_uuid: header.index_uuid, uid: header.log_uid, first })
                }
                Err(error) => damage_of(error).map(|_| None)?,
            };
            let may_hold_records = match beginning {
                None => !is_blank(directory, name)?,
                Some(LogBeginning { first: Some(_), .. }) => true,
                Some(_) => holds_records(directory, name)?,
            };
            Ok(FoundLog { number, file: name.clone(), beginning, may_hold_records })
        })
        .collect()
}

/// Whether a log is zeros and nothing else, as a crash leaves one that was just being made.
fn is_blank(directory: &dyn Directory, name: &str) -> Result<bool> {
    let file = directory.open(name, OpenMode::Read).map_err(|source| Error::io("open", name, source))?;
    let mut piece = vec![0u8; 64 << 10];
    let mut offset = 0;
    loop {
        match file.read_at(offset, &mut piece) {
            Ok(0) => return Ok(true),
            Ok(read) if piece.iter().take(read).all(|byte| *byte == 0) => offset += read as u64,
            // Bytes that cannot be read may be anything.
            Ok(_) | Err(_) => return Ok(false),
        }
    }
}

/// What is wrong with a file, if that is what the error says. Bytes that the medium does not give any more are
/// damage; a file that we may not open is not.
fn damage_of(error: Error) -> Result<String> {
    match error {
        Error::Corruption { offset, detail, .. } => Ok(format!("it is damaged at offset {offset}: {detail}")),
        Error::Io { operation: "read", source, .. } => Ok(format!("it cannot be read: {source}")),
        other => Err(other),
    }
}

/// The index whose directory this is: as the manifest says, or else as most files do.
fn choose_uuid(
    directory: &dyn Directory,
    state: Option<&ManifestState>,
    runs: &[RunHeader],
    logs: &[FoundLog],
    options: &RepairOptions,
) -> u128 {
    if let Some(uuid) = state.map(|state| state.index_uuid).or_else(|| manifest_uuid(directory)) {
        return uuid;
    }
    let mut votes: BTreeMap<u128, usize> = BTreeMap::new();
    let by_runs = runs.iter().filter_map(|run| run.header.as_ref()).map(|header| header.index_uuid);
    let by_logs = logs.iter().filter_map(|log| log.beginning).map(|beginning| beginning.index_uuid);
    for uuid in by_runs.chain(by_logs) {
        *votes.entry(uuid).or_default() += 1;
    }
    let elected = votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(uuid, _)| uuid);
    let random = &options.environment.random;
    elected.unwrap_or_else(|| (u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())).max(1))
}
