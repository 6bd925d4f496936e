//! What a power cut may leave of what was pending.

/// What survives of the changes that were pending when the power was cut: writes and allocations
/// since the last sync of their file, and names made, changed and removed since the last sync of
/// the directory. What was synced survives always.
///
/// ```
/// use hestiastore::directory::{CrashPolicy, Directory, SimulatedDirectory};
///
/// # fn main() -> std::io::Result<()> {
/// let directory = SimulatedDirectory::new();
/// directory.create("run")?.write_at(0, b"content")?;
/// directory.sync()?; // the name is durable, the content is not
///
/// let after = directory.crash(CrashPolicy::LoseAll, 0);
/// assert_eq!(after.read_all("run"), Some(Vec::new()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CrashPolicy {
    /// Everything.
    KeepAll,
    /// Nothing.
    LoseAll,
    /// The first so many of all pending changes, in the order in which they were made anywhere in
    /// the directory. How many is random. Each change survives whole or not at all.
    Prefix,
    /// A random part of everything, torn at sectors of 512 bytes.
    ///
    /// A sector holds what it held after any one of the writes to it, for a disk writes a sector
    /// whole; sectors are independent of each other, and of the length of their file, which is
    /// any that it had. A change of a name survives by chance, a rename as one; what rests on a lost
    /// change, at the same name or in the same folder, is lost too.
    RandomSectors,
    /// Content and no names: files appear where they were at the last sync of the directory.
    LoseNames,
    /// Names and no content: files that were renamed before they were synced appear empty.
    LoseContent,
    /// Everything, but of the last write anywhere only a random number of its first bytes.
    TornLastWrite,
    /// Names and lengths and no content: files end where they ended, in zeros.
    LengthWithoutContent,
    /// Names and content and no lengths: what was written behind the durable end is lost.
    ContentWithoutLength,
    /// Everything, but each rename half: by chance the file has both names, or neither, and then a
    /// file that it was to replace is still there.
    HalfRenames,
}

impl CrashPolicy {
    /// All policies, for tests that go through them.
    pub const ALL: [CrashPolicy; 10] = [
        CrashPolicy::KeepAll,
        CrashPolicy::LoseAll,
        CrashPolicy::Prefix,
        CrashPolicy::RandomSectors,
        CrashPolicy::LoseNames,
        CrashPolicy::LoseContent,
        CrashPolicy::TornLastWrite,
        CrashPolicy::LengthWithoutContent,
        CrashPolicy::ContentWithoutLength,
        CrashPolicy::HalfRenames,
    ];
}
