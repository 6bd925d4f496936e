//! `hestia wal dump`.

mod shown;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hestiastore::Error;
use hestiastore::directory::{Directory, OpenMode};
use hestiastore::inspect::{self, ListedLogFile, ListedLogs, LogContent, LogItem, LogRecord};

use self::shown::{Shown, Style};
use crate::codec::{Codec, Codecs};
use crate::commands::dump::{open_existing, open_folder};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, say};

const AFTER_HELP: &str = "\
Examples:
  hestia wal dump words
  hestia wal dump words 7 --limit 20
  hestia wal dump words --json | jq -r 'select(.kind == \"put\") | .key'
  hestia wal dump words/log-00000000000000000007.wal

Takes no lock and changes nothing: it may look at the log of an index that is in use. What stands
before damage is shown, then the damage. Keys and values are texts of the index's types where its
manifest can be read, and stored bytes otherwise; as text, long ones are cut.

Exit codes: 0 done, 2 damage was found, or a failure";

/// Write out the records of the log
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// Directory of the index, or a log file
    #[arg(value_name = "DIR")]
    place: PathBuf,
    /// Only these logs, by number or by name; without, all that the manifest lists
    #[arg(value_name = "LOG")]
    logs: Vec<String>,
    /// A JSON object a line: for each log, mark and operation, and for how the log ends
    #[arg(long)]
    json: bool,
    /// Show so many records at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let source = Source::of(&arguments.place)?;
    let logs = source.chosen(&arguments.logs)?;
    let style = if arguments.json { Style::Json } else { Style::Text };
    let mut dump = Dump {
        source: &source,
        shown: Shown::new(style, Output::new()?),
        codecs: Codecs { key: Codec::AsStored, value: Codec::AsStored },
        index_uuid: None,
        left: arguments.limit.unwrap_or(u64::MAX),
    };
    let mut first_damage = None;
    for log in &logs {
        if let Err(damage) = dump.log(log)? {
            first_damage.get_or_insert(damage);
        }
    }
    dump.shown.finish()?;
    match first_damage {
        None => Ok(Outcome::Done),
        Some(damage) => Err(damage.into()),
    }
}

/// A file to show, and what the manifest says of it.
#[derive(Debug, Clone)]
struct Log {
    name: String,
    uid: Option<u64>,
    named_end: Option<u64>,
}

impl From<&ListedLogFile> for Log {
    fn from(listed: &ListedLogFile) -> Self {
        Self { name: listed.name.clone(), uid: Some(listed.uid), named_end: listed.named_end }
    }
}

/// Where logs lie.
struct Source {
    directory: Arc<dyn Directory>,
    /// What the manifest beside them says, if it can be read.
    listed: Result<ListedLogs, Error>,
    /// The one log that was asked for by its path.
    file: Option<String>,
}

impl Source {
    fn of(place: &Path) -> Result<Self, Failure> {
        let (directory, file): (Arc<dyn Directory>, _) = if place.is_file() {
            let (directory, name) = open_folder(place)?;
            (directory, Some(name))
        } else {
            (Arc::new(open_existing(place)?), None)
        };
        let listed = inspect::list_logs(&*directory);
        Ok(Self { directory, listed, file })
    }

    /// The logs to show: those named, or the file, or all that are listed.
    fn chosen(&self, named: &[String]) -> Result<Vec<Log>, Failure> {
        match &self.file {
            Some(_) if !named.is_empty() => {
                let message = "logs are chosen in a directory; this is a file";
                return Err(Failure::Message(message.to_owned()));
            }
            Some(name) => return Ok(vec![self.log(name)]),
            None => {}
        }
        match (&self.listed, named) {
            (Ok(listed), []) => Ok(listed.logs.iter().map(Log::from).collect()),
            (Err(error), []) => Err(error.clone().into()),
            (listed, named) => {
                if let Err(error) = listed {
                    say(format_args!("note: keys and values are shown as stored, as {error}"));
                }
                named.iter().map(|name| self.existing(&file_name(name))).collect()
            }
        }
    }

    /// A listed log that is gone is damage; one that nobody knows of is a slip of the pen.
    fn existing(&self, name: &str) -> Result<Log, Failure> {
        let log = self.log(name);
        let opened = self.directory.open(name, OpenMode::Read);
        if log.uid.is_none() && opened.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Err(Failure::Message(format!("there is no {name} in {}", self.directory.location())));
        }
        Ok(log)
    }

    fn log(&self, name: &str) -> Log {
        let listed = self.listed.as_ref().ok();
        let found = listed.and_then(|listed| listed.logs.iter().find(|log| log.name == name));
        found.map_or_else(|| Log { name: name.to_owned(), uid: None, named_end: None }, Log::from)
    }

    /// The codecs for what a log of this index holds.
    fn codecs(&self, index_uuid: u128) -> Codecs {
        match &self.listed {
            Ok(listed) if listed.index_uuid == index_uuid => Codecs {
                key: Codec::of("key", &listed.key_type),
                value: Codec::of("value", &listed.value_type),
            },
            _ => Codecs { key: Codec::AsStored, value: Codec::AsStored },
        }
    }
}

/// A number stands for the log's name.
fn file_name(named: &str) -> String {
    match named.parse::<u64>() {
        Ok(number) => format!("log-{number:020}.wal"),
        Err(_) => named.to_owned(),
    }
}

struct Dump<'a> {
    source: &'a Source,
    shown: Shown,
    /// For the index that the log shown last belongs to.
    codecs: Codecs,
    index_uuid: Option<u128>,
    /// Records that may still be shown.
    left: u64,
}

impl Dump<'_> {
    /// Shows one log. The inner error is damage, which was shown too.
    fn log(&mut self, log: &Log) -> Result<Result<(), Error>, Failure> {
        if self.left == 0 {
            return Ok(Ok(()));
        }
        let mut failure = None;
        let directory = Arc::clone(&self.source.directory);
        let read = inspect::read_log(&*directory, &log.name, log.named_end, &mut |item| match self
            .item(log, &item)
        {
            Ok(Ok(flow)) => Ok(flow),
            Ok(Err(damage)) => Err(damage),
            Err(failed) => {
                failure = Some(failed);
                Ok(ControlFlow::Break(()))
            }
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        match read {
            Ok(Some(end)) => self.shown.end(&log.name, end.offset, &end.reason)?,
            Ok(None) => {}
            Err(Error::Corruption { file, offset, detail }) => {
                self.shown.damage(&log.name, offset, &detail)?;
                return Ok(Err(Error::Corruption { file, offset, detail }));
            }
            Err(error) => {
                self.shown.damage(&log.name, 0, &error.to_string())?;
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// The inner error: what was read is not the log that is listed.
    fn item(&mut self, log: &Log, item: &LogItem<'_>) -> Result<Result<ControlFlow<()>, Error>, Failure> {
        match item {
            LogItem::Header(header) => {
                if self.index_uuid.replace(header.index_uuid) != Some(header.index_uuid) {
                    self.codecs = self.source.codecs(header.index_uuid);
                }
                self.shown.header(&log.name, header)?;
                if let Some(uid) = log.uid.filter(|uid| *uid != header.log_uid) {
                    let found = header.log_uid;
                    let detail = format!("the manifest lists log uid {uid:016x}, found {found:016x}");
                    return Ok(Err(Error::Corruption { file: log.name.clone(), offset: 0, detail }));
                }
            }
            LogItem::Record(record) => {
                self.record(&log.name, record)?;
                self.left -= 1;
            }
            LogItem::Later(later) => self.shown.later(&log.name, later)?,
            _ => {}
        }
        Ok(Ok(if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }))
    }

    fn record(&mut self, log: &str, record: &LogRecord<'_>) -> Result<(), Failure> {
        match &record.content {
            LogContent::Operations(operations) => {
                self.shown.operations(log, record, operations.remaining())?;
                for (seq, operation) in operations.clone() {
                    self.shown.operation(log, record, seq, &operation, &self.codecs)?;
                }
                Ok(())
            }
            mark => self.shown.mark(log, record, mark),
        }
    }
}
