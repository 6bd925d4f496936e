//! What is asked of a directory, as fault rules match it and as the log of operations shows it.

use super::fault::Fault;

/// A kind of operation of a [`Directory`](crate::directory::Directory) or a
/// [`File`](crate::directory::File).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationKind {
    /// A file is made.
    Create,
    /// A file is opened.
    Open,
    /// The length of a file is asked for.
    Length,
    /// Bytes of a file are read.
    Read,
    /// Bytes of a file are written.
    Write,
    /// A file is extended.
    Allocate,
    /// The content of a file is made durable.
    SyncFile,
    /// A file gets another name.
    Rename,
    /// A name is removed.
    Remove,
    /// A folder is made.
    CreateFolder,
    /// All names are made durable.
    SyncNames,
    /// The names are listed.
    List,
    /// The lock is taken.
    Lock,
}

impl OperationKind {
    /// All kinds.
    pub const ALL: [OperationKind; 13] = [
        OperationKind::Create,
        OperationKind::Open,
        OperationKind::Length,
        OperationKind::Read,
        OperationKind::Write,
        OperationKind::Allocate,
        OperationKind::SyncFile,
        OperationKind::Rename,
        OperationKind::Remove,
        OperationKind::CreateFolder,
        OperationKind::SyncNames,
        OperationKind::List,
        OperationKind::Lock,
    ];

    /// Whether it changes the directory or what is durable of it. These are counted by
    /// [`SimulatedDirectory::operation_count`](super::SimulatedDirectory::operation_count).
    pub fn changes(self) -> bool {
        use OperationKind::{Length, List, Lock, Open, Read};
        !matches!(self, Open | Length | Read | List | Lock)
    }
}

/// One operation that was asked of a simulated directory, whether it succeeded or not.
///
/// ```
/// use hestiastore::directory::{Directory, Operation, OperationKind, SimulatedDirectory};
///
/// # fn main() -> std::io::Result<()> {
/// let directory = SimulatedDirectory::new();
/// directory.record_operations(true);
/// directory.create("log")?.write_at(7, b"abc")?;
/// let seen: Vec<Operation> = directory.take_operations();
/// assert_eq!(seen[1].to_string(), "Write log 7+3");
/// assert_eq!(seen[1].kind, OperationKind::Write);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// What was asked.
    pub kind: OperationKind,
    /// The name that a file was opened or made by, or the old name of a rename; empty where the
    /// operation has none.
    pub name: String,
    /// The first byte of a read or write, else zero.
    pub offset: u64,
    /// The bytes of a read or write, the length that an allocation asks for, else zero.
    pub length: u64,
    /// The fault that a rule put into it.
    pub fault: Option<Fault>,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {} {}+{}", self.kind, self.name, self.offset, self.length)?;
        self.fault.map_or(Ok(()), |fault| write!(f, " {fault:?}"))
    }
}

/// What is about to be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) kind: OperationKind,
    pub(super) name: &'a str,
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl<'a> Request<'a> {
    pub(super) fn on(kind: OperationKind, name: &'a str) -> Self {
        Self { kind, name, offset: 0, length: 0 }
    }

    pub(super) fn record(self, fault: Option<Fault>) -> Operation {
        let Request { kind, name, offset, length } = self;
        Operation { kind, name: name.to_owned(), offset, length, fault }
    }
}
