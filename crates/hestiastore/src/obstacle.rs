//! Failures that say nothing about what is on disk: something stands in the way for now.

use std::io;

use rustix::io::Errno;

/// Whether something outside stands in the way and may go again: a full disk or quota, a file-size
/// limit, a file system that is read-only now, missing rights, too many open files.
///
/// Only what is made anew, and thrown away when that fails, may be judged by this; what a failed write
/// or sync leaves of a file in use is not known whatever the reason (PROTOCOL D8).
pub(crate) fn is_obstacle(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | ReadOnlyFilesystem | PermissionDenied)
        || is_out_of_descriptors(error)
}

/// Whether the process or the system has too many files open.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    let known = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| known.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d8_what_passes_and_what_does_not() {
        let of = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        for passing in [
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::FBIG,
            Errno::ROFS,
            Errno::MFILE,
            Errno::NFILE,
            Errno::ACCESS,
            Errno::PERM,
        ] {
            assert!(is_obstacle(&of(passing)), "{passing}");
        }
        for lasting in [Errno::IO, Errno::BADF, Errno::INVAL, Errno::STALE, Errno::NODEV] {
            assert!(!is_obstacle(&of(lasting)), "{lasting}");
        }
    }
}
