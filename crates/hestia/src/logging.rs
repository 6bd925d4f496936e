//! What the engine tells while a command runs, on standard error.

use std::io::stderr;

use clap::ValueEnum;
use tracing_subscriber::filter::LevelFilter;

/// By default nothing: a command writes one line when it fails, and else none.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Logging {
    /// Tell on standard error what the engine does: -v its life, -vv its jobs
    #[arg(short = 'v', long = "verbose", action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// The same, from this level on
    #[arg(long = "log", value_name = "LEVEL", global = true, conflicts_with = "verbose")]
    level: Option<Level>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Logging {
    fn filter(self) -> LevelFilter {
        match (self.level, self.verbose) {
            (None, 0) => LevelFilter::OFF,
            (Some(Level::Error), _) => LevelFilter::ERROR,
            (Some(Level::Warn), _) => LevelFilter::WARN,
            (Some(Level::Info), _) | (None, 1) => LevelFilter::INFO,
            (Some(Level::Debug), _) | (None, 2) => LevelFilter::DEBUG,
            (Some(Level::Trace), _) | (None, _) => LevelFilter::TRACE,
        }
    }

    /// Begins to tell. Without it nobody listens, and nothing is written or made up.
    pub(crate) fn begin(self) {
        let filter = self.filter();
        if filter == LevelFilter::OFF {
            return;
        }
        let subscriber =
            tracing_subscriber::fmt().with_max_level(filter).with_writer(stderr).with_ansi(false);
        // Somebody listens already, as in a program that runs several commands.
        let _ = subscriber.try_init();
    }
}
